"""Judges a stage by what it wrote: reads input and outputs back with another client than weir's,
derives from the input, by the rule as it is written in the design, what every record's outcome must
be, and compares. Shares no code with weir.

The verdict is a list of violations; empty means: every input record below the committed offset has
exactly one outcome, in input order.
"""

import json
import pathlib
import sys

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

# Protobuf's wire form, read by hand: the demo's recount has the one reader.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "ops/demo-data"))
import recount as wire  # noqa: E402


def read(bootstrap, topic):
    """All that a read_committed reader sees: {partition: [record]}, to the end as of now."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed",
                             enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        records = {p.partition: [] for p in partitions}
        while any(consumer.position(p) < ends[p] for p in partitions):
            for p, batch in consumer.poll(timeout_ms=500).items():
                records[p.partition] += batch
        return records
    finally:
        consumer.close()


def committed(bootstrap, group, topic):
    """{partition: (offset, metadata)} of a group."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        offsets = admin.list_group_offsets(group)
        if group in offsets:
            offsets = offsets[group]
        return {p.partition: (o.offset, o.metadata) for p, o in offsets.items() if p.topic == topic}
    finally:
        admin.close()


def string_field(message, number):
    content = bytes_field(message, number)
    return None if content is None else content.decode()


def bytes_field(message, number):
    """The last occurrence of a field that has a length; None where it is absent."""
    found = wire.fields(message).get(number)
    return found[-1] if found else None


def expect(records, key_of, window_ms, buckets, is_set_aside=lambda value: False):
    """What becomes of one partition's log: (ids emitted, offsets dead-lettered), in order.

    `key_of(value)` is the id, or None for a record that can't be decoded or has none.
    `is_set_aside(value)`: it has an id, and the stage fails on it."""
    last_buckets, now = {}, 0
    emitted, dead = [], []
    for record in records:
        now = max(now, record.timestamp)
        key = key_of(record.value)
        if key is None:
            dead.append(record.offset)
            continue
        bucket = now * buckets // window_ms
        seen = last_buckets.get(key)
        if seen is None or seen < bucket - buckets:
            if is_set_aside(record.value):
                dead.append(record.offset)
            else:
                emitted.append(key)
        last_buckets[key] = bucket
    return emitted, dead


def json_id(field):
    def key_of(value):
        try:
            key = json.loads(value)[field]
        except (ValueError, KeyError, TypeError):
            return None
        return key if isinstance(key, str) and key else None
    return key_of


class Violation(str):
    """What is wrong, in words; and how many records were lost or doubled."""

    lost = doubled = 0


def compare(what, partition, expected, actual):
    if expected == actual:
        return []
    lost = [x for x in expected if x not in set(actual)]
    extra = [x for x in actual if x not in set(expected)]
    doubled = len(actual) - len(set(actual))
    if not lost and not extra and not doubled:
        return [Violation(f"{what} {partition}: order differs")]
    found = Violation(f"{what} {partition}: expected {len(expected)}, got {len(actual)}: "
                      f"{len(lost)} lost {lost[:3]}, {len(extra)} from nowhere {extra[:3]}, "
                      f"{doubled} doubled")
    found.lost, found.doubled = len(lost), doubled
    return [found]


def unfinished(source, log, ends):
    """The partitions of `source` whose group has not committed past their last record."""
    return [Violation(f"{source} {partition}: committed {ends.get(partition)}, but the last "
                      f"record is at {records[-1].offset}")
            for partition, records in log.items()
            if records and ends.get(partition, (-1,))[0] <= records[-1].offset]


def verdict(bootstrap, source, output, dead_letters, group, key_of, output_id, window_ms, buckets,
            before_ms=None, **what_fails):
    """`before_ms`: of what Kafka stamped before that time, as if nothing came after it."""
    log = {partition: [r for r in records if before_ms is None or r.timestamp < before_ms]
           for partition, records in read(bootstrap, source).items()}
    outputs = read(bootstrap, output)
    letters = read(bootstrap, dead_letters)
    violations = unfinished(source, log, committed(bootstrap, group, source))
    seen = 0
    for partition, records in log.items():
        emitted, dead = expect(records, key_of, window_ms, buckets, **what_fails)
        seen += len(emitted)
        violations += compare(output, partition, emitted,
                              [output_id(r.value) for r in outputs.get(partition, [])])
        offsets = [int(dict(r.headers)["weir-offset"]) for r in letters.get(partition, [])]
        violations += compare(dead_letters, partition, dead, offsets)
    if seen == 0:
        violations.append(Violation("vacuous: no record was expected at all"))
    return violations
