"""Real comments and edits on a slow feed: the stage, as it is deployed, is killed again and again,
within an open transaction; then all is there that an independent script counts, once each."""

import json
import os
import pathlib
import signal
import subprocess
import time
import unittest

from kafka import KafkaProducer
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords

import checker
import lab
import recount

KILLS = int(os.environ.get("WEIR_KILLS", "50"))
TORN_SHARE_MIN = 0.6
ABORT_MARKER = b"\0\0\0\0"  # version, kind
PIECES = 4  # the feed between two kills


class Real(lab.Site):
    """One of the project's deployments, its file untouched."""

    def __init__(self, brokers, data, config, source):
        super().__init__(brokers, seed=10)
        self.data, self.source = lab.CHECKOUT / "ops/demo-data" / data, source
        self.config = lab.CHECKOUT / "config" / config
        self.dataset = config.removeprefix("ingest-").removesuffix(".yaml")
        self.raw, self.output = f"raw.{self.dataset}", f"{self.dataset}.v1"
        self.dead_letters = f"{self.config.stem}.dead_letters.v1"
        self.cluster = recount.Cluster(brokers)
        self.producer = KafkaProducer(bootstrap_servers=brokers, linger_ms=1)
        (self.directory / "proto").symlink_to(lab.CHECKOUT / "proto")

    def __enter__(self):
        subprocess.run([lab.BIN / "weir", "topics", "apply", "--partitions", str(lab.PARTITIONS),
                        self.config], check=True, capture_output=True, cwd=self.directory,
                       env={**os.environ, "WEIR_BOOTSTRAP": self.brokers})
        return self

    def __exit__(self, *_):
        super().__exit__()
        cluster = self.cluster
        for client in (self.producer, cluster.consumer, cluster.newest, cluster.admin):
            client.close()

    def run(self, *arguments, **environment):
        return super().run(*arguments, WEIR_BOOTSTRAP=self.brokers, **environment)

    def id_of_line(self, line):
        record = json.loads(line)
        return tuple(record[field] for field in self.source.key)

    def send(self, lines):
        for line in lines:
            self.producer.send(self.raw, value=line, key="|".join(self.id_of_line(line)).encode())
        self.producer.flush()

    def kill_within_a_transaction(self, process, lines):
        """Feeds `lines` piece by piece until the process has a transaction open at the broker, and
        kills it there, or else at their end; feeds the rest."""
        lab.wait_for(lambda: not self.has_open_transaction(), what="the end of the last life's")
        size = -(-len(lines) // PIECES)
        while lines:
            self.send(lines[:size])
            lines = lines[size:]
            if self.stops_within_a_transaction(process):
                break
        lab.kill(process)
        self.send(lines)

    def stops_within_a_transaction(self, process):
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            if self.has_open_transaction():
                process.send_signal(signal.SIGSTOP)
                if self.has_open_transaction():
                    return True
                process.send_signal(signal.SIGCONT)
        return False

    def has_open_transaction(self):
        return self.cluster.has_open_transaction(self.output)

    def verdict(self):
        """Against the file, as the demo judges it, and record by record in order. Then how many
        were fed, how many events are there, and how many duplicates are in the file."""
        expected = recount.Expected(self.data, self.source)
        events = [r.value for r in self.cluster.read(self.output)]
        violations = expected.differences(events)
        violations += checker.verdict(
            self.brokers, self.raw, self.output, self.dead_letters, f"{self.config.stem}.v1",
            self.id_of_line, self.source.id_of, lab.WINDOW_MS, lab.BUCKETS)
        fed = sum(len(records) for records in checker.read(self.brokers, self.raw).values())
        return violations, (fed, len(events), expected.duplicates)


def with_retries(lines, random):
    """The lines, and after one in fifty an earlier one again, half of the times a recent one."""
    for i, line in enumerate(lines):
        yield line
        chance = random.random()
        if chance < 0.02:
            yield lines[random.randrange(0 if chance < 0.01 else max(0, i - 20), i + 1)]


def aborted(kafka_directory, topic):
    """How many transactions over a topic were aborted: the broker's markers, which consumers don't
    show, out of its files."""
    found = set()
    for file in pathlib.Path(kafka_directory, "log").glob(f"{topic}-*/*.log"):
        records = MemoryRecords(file.read_bytes())
        while batch := records.next_batch():
            if isinstance(batch, DefaultRecordBatch) and batch.is_control_batch:
                if next(batch).key == ABORT_MARKER:
                    found.add((batch.producer_id, batch.producer_epoch))
    return len(found)


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no broker of our own")
class RealDataTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = lab.OwnBroker(cls.addClassCleanup)

    def kill_again_and_again(self, it, lines):
        for life in range(KILLS):
            process = it.run(it.config)
            it.kill_within_a_transaction(
                process, lines[life * len(lines) // KILLS:(life + 1) * len(lines) // KILLS])
        it.run_to_end(it.config)
        torn = aborted(self.broker.directory, it.output)
        print(f"{it.dataset}: {KILLS} kills, {torn} transactions aborted")
        self.assertGreaterEqual(torn, KILLS * TORN_SHARE_MIN, "vacuous: few left one to abort")
        unfinished = ["Ongoing", "PrepareCommit", "PrepareAbort"]
        self.assertEqual(it.cluster.admin.list_transactions(state_filters=unfinished), {1: []})
        violations, counts = it.verdict()
        self.assertEqual(violations, [], it.log()[-3000:])
        return counts

    def test_comments(self):
        with Real(self.broker.address, "comments.jsonl", "ingest-comments.yaml",
                  recount.COMMENTS) as it:
            lines = list(recount.lines(it.data))
            self.assertEqual(self.kill_again_and_again(it, lines), (1148, 1146, 2))

    def test_edits(self):
        with Real(self.broker.address, "edits.jsonl.gz", "ingest-edits.yaml",
                  recount.EDITS) as it:
            # The file has each edit once.
            lines = list(with_retries(list(recount.lines(it.data)), it.random))
            self.assertGreater(len(lines), 30_500)
            self.assertEqual(self.kill_again_and_again(it, lines), (len(lines), 30_000, 0))


if __name__ == "__main__":
    unittest.main()
