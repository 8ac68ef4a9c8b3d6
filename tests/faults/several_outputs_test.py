"""Two inputs of different types, two outputs of different types, one transaction: a stage that is
killed again and again leaves both outputs exact and both inputs finished, also where each input has
a dedup window of its own."""

import os
import threading
import time
import unittest

from kafka import KafkaProducer

import checker
import lab

COMMENT_PARTITIONS, EDIT_PARTITIONS = 4, 2
SPAM_MIN, DELETED_MIN = 9_000, 400
KILLS = int(os.environ.get("WEIR_KILLS", "50"))

# Steps at which an open transaction stays behind, for the broker to abort.
OPEN_AT = ["after_begin", "after_produce", "after_flush", "after_send_offsets", "before_commit"]
# Steps at which the seen-indexes on disk are behind the offsets, all or some.
BEHIND_AT = ["after_commit", "between_state_commits"]

RETRY = ()


def varint(value):
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(encoded + bytes([value]))


def message(fields):
    """The wire bytes of a protobuf message, by field number."""
    wire = b""
    for number, value in fields.items():
        if isinstance(value, int):
            wire += varint(number << 3) + varint(value)
        else:
            content = value.encode() if isinstance(value, str) else message(value)
            wire += varint(number << 3 | 2) + varint(len(content)) + content
    return wire


class Moderated(lab.Site):
    def __init__(self, brokers, seed, retried=0.0):
        """`retried`: how many of the records come again, which then both inputs deduplicate."""
        super().__init__(brokers, seed)
        self.retried = retried
        by_id, by_time = (f"{{key: [{key}], window: 24h}}" if retried else "off"
                          for key in ("comment_id", "time"))
        self.comments, self.edits = f"{self.name}.comments.v1", f"{self.name}.edits.v1"
        self.activity, self.alerts = f"{self.name}.activity.v1", f"{self.name}.alerts.v1"
        self.config = self.deploy(f"moderation-{self.name}", f"""
name: {self.name}
inputs:
  comments: {{dataset: {self.name}.comments, version: 1, dedup: {by_id}}}
  edits: {{dataset: {self.name}.edits, version: 1, dedup: {by_time}}}
outputs:
  activity: {{dataset: {self.name}.activity}}
  alerts: {{dataset: {self.name}.alerts}}
options: {{spam_per_10000_min: {SPAM_MIN}, deleted_min: {DELETED_MIN}}}
turn: {{interval_max: 20ms}}
""")
        self.dead_letters = f"{self.config.stem}.dead_letters.v1"
        # By (input topic, partition), what must come out: (id, place, is an alert); None: garbage.
        self.sent = {}
        self.good = []  # (input topic, partition, value)

    def __enter__(self):
        self.create_topics(COMMENT_PARTITIONS, self.activity, self.alerts, self.dead_letters)
        self.create_topics(COMMENT_PARTITIONS, self.comments, **lab.LOG_APPEND_TIME)
        self.create_topics(EDIT_PARTITIONS, self.edits, **lab.LOG_APPEND_TIME)
        return self

    def feed(self, stop):
        """A slow, endless source of both; each id is in both."""
        producer = KafkaProducer(bootstrap_servers=self.brokers, linger_ms=1)
        count = 0
        while not stop.wait(0.01):
            for _ in range(2):
                self.send_comment(producer, f"n{count}")
                self.send_edit(producer, f"n{count}")
                count += 1
        producer.close()

    def send_comment(self, producer, name):
        is_alert = self.random.random() < 0.3
        score = self.random.randrange(SPAM_MIN, 10_001) if is_alert else SPAM_MIN - 1
        self.send(producer, self.comments, self.random.randrange(COMMENT_PARTITIONS),
                  {1: name, 2: "Psy", 3: "u1", 5: "x" * 50, 100: {1: 2, 2: score}},
                  (name, "Psy", is_alert))

    def send_edit(self, producer, name):
        is_alert = self.random.random() < 0.3
        deleted = DELETED_MIN if is_alert else DELETED_MIN - 1
        self.send(producer, self.edits, self.random.randrange(EDIT_PARTITIONS),
                  {1: name, 3: "Kafka", 5: "u2", 7: 1, 14: deleted}, (name, "Kafka", is_alert))

    def send(self, producer, topic, partition, fields, expected):
        if self.random.random() < 0.02:
            self.record(producer, topic, partition, b"\xff", None)
        else:
            value = message(fields)
            self.record(producer, topic, partition, value, expected)
            self.good.append((topic, partition, value))
        if self.good and self.random.random() < self.retried:
            again = self.random.choice(self.random.choice([self.good, self.good[-20:]]))
            self.record(producer, *again, RETRY)

    def record(self, producer, topic, partition, value, expected):
        producer.send(topic, value=value, partition=partition)
        self.sent.setdefault((topic, partition), []).append(expected)

    def double_an_alert(self):
        partition, alert = next((p, records[0]) for p, records in
                                checker.read(self.brokers, self.alerts).items() if records)
        producer = KafkaProducer(bootstrap_servers=self.brokers)
        producer.send(self.alerts, value=alert.value, partition=partition)
        producer.close()

    def verdict(self):
        violations = []
        group = f"{self.config.stem}.v1"
        activity, alerts, letters = (checker.read(self.brokers, t) for t in
                                     (self.activity, self.alerts, self.dead_letters))
        for topic, source in ((self.comments, "comments"), (self.edits, "edits")):
            log = checker.read(self.brokers, topic)
            violations += checker.unfinished(topic, log,
                                             checker.committed(self.brokers, group, topic))
            for p, records in log.items():
                sent = self.sent.get((topic, p), [])
                if len(records) != len(sent):
                    violations.append(f"{topic} {p}: {len(records)} of {len(sent)} arrived")
                seen = [activity_of(r.value) for r in activity[p]]
                alarmed = [activity_of(checker.bytes_field(r.value, 1)) for r in alerts[p]]
                for name, all_of, expected in (
                        (self.activity, seen, [(source, *e[:2]) for e in sent if e]),
                        (self.alerts, alarmed, [(source, *e[:2]) for e in sent if e and e[2]])):
                    violations += checker.compare(name, p, expected,
                                                  [a for a in all_of if a[0] == source])
                dead = [int(headers["weir-offset"]) for headers in
                        (dict(r.headers) for r in letters[p])
                        if headers["weir-topic"].decode() == topic]
                violations += checker.compare(
                    self.dead_letters, p, [i for i, e in enumerate(sent) if e is None], dead)
        if not any(alerts.values()) or not any(letters.values()):
            violations.append("vacuous: no alert or no dead letter was expected")
        return violations


def activity_of(value):
    return tuple(checker.string_field(value, number) for number in (1, 2, 4))


class SeveralOutputsTest(unittest.TestCase):
    def kill_again_and_again(self, it, kills, points):
        """How often at one of the points, and not at any moment."""
        stop = threading.Event()
        feeding = threading.Thread(target=it.feed, args=(stop,))
        feeding.start()
        try:
            at_a_point = 0
            for _ in range(kills):
                if it.random.random() < 0.8:
                    point = f"{it.random.choice(points)}:{it.random.randrange(1, 6)}"
                    process = it.run(it.config, WEIR_CRASH_AT=point)
                    self.assertEqual(process.wait(30), -9, f"{point}:\n{it.log()[-2000:]}")
                    at_a_point += 1
                else:
                    process = it.run(it.config)
                    time.sleep(it.random.uniform(0.1, 1.0))
                    lab.kill(process)
            return at_a_point
        finally:
            stop.set()
            feeding.join()

    def test_both_outputs_are_exact_after_fifty_kills(self):
        with Moderated(lab.bootstrap(), seed=7) as it:
            left_open = self.kill_again_and_again(it, KILLS, OPEN_AT)
            self.assertGreaterEqual(left_open, KILLS * 3 // 5, "vacuous")
            it.run_to_end(it.config)
            self.assertEqual(it.verdict(), [], it.log()[-3000:])
            it.double_an_alert()
            self.assertIn("1 doubled", "".join(it.verdict()), "the verdict can't fail")

    def test_each_input_drops_its_own_retries_when_both_hold_the_same_ids(self):
        with Moderated(lab.bootstrap(), seed=8, retried=0.3) as it:
            self.kill_again_and_again(it, 12, OPEN_AT + BEHIND_AT)
            it.run_to_end(it.config)
            self.assertEqual(it.verdict(), [], it.log()[-3000:])
            for topic in (it.comments, it.edits):
                retries = sum(sent.count(RETRY) for (of, _), sent in it.sent.items() if of == topic)
                self.assertGreater(retries, 100, "vacuous")


if __name__ == "__main__":
    unittest.main()
