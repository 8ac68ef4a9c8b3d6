"""What tests/hostile_test.cc shows with a simulated broker, of which a real one thinks for itself:
sizes, which it weighs after compression, headers, and the timestamps of records."""

import base64
import json
import os
import subprocess
import time
import unittest

from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

import checker
import lab

ANY_TIME = str(2**63 - 1)
FAR_AHEAD = 32_503_680_000_000  # the year 3000
HALF_AN_HOUR_MS = 30 * 60 * 1000
MEGABYTE = 1_000_000
HEADERS = [(f"header {i}", b"x" * 10) for i in range(1000)]
EVENT, DUPLICATE = "event", "duplicate"


def comment(key, content="words"):
    return {"value": json.dumps({"comment_id": key, "content": content}).encode()}


def noise(size):
    return base64.b64encode(os.urandom(size * 3 // 4)).decode()


# (what is sent, outcome), in the order of their partition.
STAMPED_BY_PRODUCER = [
    ({**comment("negative"), "timestamp_ms": -2}, EVENT),
    ({**comment("zero"), "timestamp_ms": 0}, EVENT),
    ({**comment("ahead"), "timestamp_ms": FAR_AHEAD}, EVENT),
]
STAMPED_BY_BROKER = [
    (comment("behind"), EVENT),
    (comment("ahead"), DUPLICATE),
    ({**comment("headers"), "headers": HEADERS}, EVENT),
    ({"value": b"cut", "headers": HEADERS}, "invalid_json"),
    (comment("10 MB", noise(10 * MEGABYTE)), EVENT),
    # The simulated broker would not take it; the topics' limits count what lz4 leaves of it.
    (comment("10 MB of one letter", "x" * 10 * MEGABYTE), EVENT),
    (comment("11 MB", "x" * 11 * MEGABYTE), "too_large"),
    ({"value": None, "key": b"gone"}, "tombstone"),
    ({"value": b"", "key": b""}, "empty_value"),
    (comment("last"), EVENT),
]
ROWS = STAMPED_BY_PRODUCER + STAMPED_BY_BROKER


def apply_topics(it):
    return subprocess.run([lab.BIN / "weir", "topics", "apply", it.config], capture_output=True,
                          text=True, env={**os.environ, "WEIR_BOOTSTRAP": it.brokers})


def set_configs(it, topic, configs):
    admin = KafkaAdminClient(bootstrap_servers=it.brokers)
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])
    admin.close()


def send(it, rows):
    producer = KafkaProducer(bootstrap_servers=it.brokers, compression_type="gzip",
                             max_request_size=20 * MEGABYTE)
    for record, _ in rows:
        producer.send(it.raw, partition=0, **record).get(60)
    producer.close()


class Hostile(lab.Lab):
    """A raw topic that once took its producers' stamps, and was mended."""

    def __enter__(self):
        self.create_topics(1, self.raw, **{"message.timestamp.after.max.ms": ANY_TIME,
                                           "max.message.bytes": str(10 << 20)})
        send(self, STAMPED_BY_PRODUCER)
        set_configs(self, self.raw, {**lab.LOG_APPEND_TIME, "max.message.bytes": str(10 << 20)})
        lab.wait_for(lambda: apply_topics(self).returncode == 0, what="the topics")
        return self


class HostileTest(unittest.TestCase):
    def test_each_row_has_its_outcome(self):
        with Hostile(lab.bootstrap(), seed=61, lanes=1) as it:
            send(it, STAMPED_BY_BROKER)
            it.finish()
            events = checker.read(it.brokers, it.output)[0]
            self.assertEqual([checker.string_field(r.value, 1) for r in events],
                             [json.loads(record["value"])["comment_id"]
                              for record, outcome in ROWS if outcome == EVENT])
            self.assertEqual([r.timestamp for r in events], [1, 1] + [FAR_AHEAD] * 6)
            self.assertIn(HEADERS, [r.headers for r in events])

            letters = checker.read(it.brokers, it.dead_letters)[0]
            self.assertEqual([(r.key, r.value, dict(r.headers)["weir-reason"]) for r in letters],
                             [(record.get("key"), record["value"], outcome.encode())
                              for record, outcome in ROWS if outcome not in (EVENT, DUPLICATE)])
            self.assertEqual(letters[0].headers[:len(HEADERS)], HEADERS)

    # What lies behind such a record on its partition leaves with a time as late: it shares its lot.
    def test_events_too_far_ahead_for_their_topic_are_dead_letters_and_all_others_events(self):
        with lab.Lab(lab.bootstrap(), seed=62, lanes=1) as it:
            set_configs(it, it.raw, {"message.timestamp.type": "CreateTime",
                                     "message.timestamp.after.max.ms": str(2 * HALF_AN_HOUR_MS)})
            set_configs(it, it.output, {"message.timestamp.after.max.ms": "60000"})
            now_ms = time.time_ns() // 1_000_000
            names = {p: [f"{p}-{i}" for i in range(50)] for p in range(lab.PARTITIONS)}
            late = names[0][20:]
            producer = KafkaProducer(bootstrap_servers=it.brokers)
            for partition, each in names.items():
                for name in each:
                    ahead_ms = HALF_AN_HOUR_MS if name == late[0] else 0
                    producer.send(it.raw, **comment(name), partition=partition,
                                  timestamp_ms=now_ms + ahead_ms)
            producer.close()
            it.finish()

            events = checker.read(it.brokers, it.output)
            self.assertEqual({p: [checker.string_field(r.value, 1) for r in records]
                              for p, records in events.items()},
                             {**names, 0: names[0][:20]})
            letters = checker.read(it.brokers, it.dead_letters)
            self.assertEqual([(r.value, dict(r.headers)["weir-reason"])
                              for p in letters for r in letters[p]],
                             [(comment(name)["value"], b"output_timestamp") for name in late])


if __name__ == "__main__":
    unittest.main()
