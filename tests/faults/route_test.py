"""Producers whose retries land on any partition: behind `route`, no duplicate is left."""

import collections
import json
import unittest

from kafka import KafkaProducer
from kafka.partitioner.default import murmur2

import checker
import lab

RAW_PARTITIONS, ROUTED_PARTITIONS = 4, 3


class Routed(lab.Site):
    """route, and ingest behind it; for comparison, ingest without it."""

    def __init__(self, brokers, seed):
        super().__init__(brokers, seed)
        self.sent = {}  # id: value
        self.raw = f"raw.{self.name}"
        self.routed = f"{self.name}.routed.v1"
        self.route = self.deploy(f"route-{self.name}", f"""
name: {self.name}
inputs:
  events: {{topic: {self.raw}, dedup: {{key: [comment_id], window: off}}}}
outputs:
  events: {{dataset: {self.name}.routed, root: true}}
lanes: 2
""")
        self.behind = self.ingest("behind", f"{{dataset: {self.name}.routed, version: 1")
        self.without = self.ingest("without", f"{{topic: {self.raw}")

    def ingest(self, name, source):
        return self.deploy(f"ingest-{self.name}-{name}", f"""
name: {self.name}-{name}
inputs:
  events: {source}, format: json, message: comments.v1.Comment,
    dedup: {{key: [comment_id], window: 24h}}}}
outputs:
  events: {{dataset: {self.name}.{name}}}
""")

    def __enter__(self):
        self.create_topics(RAW_PARTITIONS, self.raw, **lab.LOG_APPEND_TIME)
        self.create_topics(ROUTED_PARTITIONS, self.routed, **lab.LOG_APPEND_TIME)
        for config, partitions in ((self.behind, ROUTED_PARTITIONS),
                                   (self.without, RAW_PARTITIONS)):
            self.create_topics(partitions, f"{self.name}.{config.stem.split('-')[-1]}.v1",
                               f"{config.stem}.dead_letters.v1")
        self.create_topics(RAW_PARTITIONS, f"{self.route.stem}.dead_letters.v1")
        return self

    def produce(self, count):
        """Comments, and after one in three up to three retries of any, each to any partition."""
        producer = KafkaProducer(bootstrap_servers=self.brokers, linger_ms=5)
        sent = self.sent
        for i in range(len(sent), len(sent) + count):
            key = f"c{i}" if i % 10 else f"\u00e9t\u00e9, {i}"
            sent[key] = json.dumps({"content": f"text {i}", "comment_id": key}).encode()
            again = self.random.randrange(1, 4) if self.random.random() < 1 / 3 else 0
            retries = self.random.choices(list(sent), k=again)
            for retried in [key, *retries]:
                producer.send(self.raw, value=sent[retried], headers=[("origin", b"test")],
                              partition=self.random.randrange(RAW_PARTITIONS))
        producer.close()

    def ids(self, dataset):
        records = checker.read(self.brokers, f"{self.name}.{dataset}.v1")
        return sorted(checker.string_field(r.value, 1) for rs in records.values() for r in rs)


def values(topic):
    return collections.Counter(record.value for records in topic.values() for record in records)


class RouteTest(unittest.TestCase):
    def test_retries_on_other_partitions_are_found_behind_route_even_when_it_is_killed(self):
        with Routed(lab.bootstrap(), seed=6) as it:
            for point in ("after_produce", "before_commit", "after_commit"):
                it.produce(500)
                process = it.run(it.route, WEIR_CRASH_AT=f"{point}:1")
                self.assertEqual(process.wait(60), -9, it.log()[-2000:])
            it.run_to_end(it.route)

            routed = checker.read(it.brokers, it.routed)
            raw = checker.read(it.brokers, it.raw)
            self.assertEqual(values(routed), values(raw), "ingest would hide what is doubled")
            for partition, records in routed.items():
                for record in records:
                    key = json.loads(record.value)["comment_id"]
                    self.assertEqual(record.key.decode(), key)
                    self.assertEqual(record.value, it.sent[key], "a value passes untouched")
                    self.assertEqual(record.headers, [("origin", b"test")])
                    self.assertEqual(partition,
                                     (murmur2(record.key) & 0x7FFFFFFF) % ROUTED_PARTITIONS)
                    self.assertEqual(record.timestamp_type, 1, "stamped by the broker")

            it.run_to_end(it.behind)
            self.assertEqual(it.ids("behind"), sorted(it.sent))
            it.run_to_end(it.without)
            self.assertGreater(len(it.ids("without")), len(it.sent),
                               "vacuous: route changed nothing")


if __name__ == "__main__":
    unittest.main()
