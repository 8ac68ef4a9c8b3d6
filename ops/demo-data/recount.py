"""What a file of JSON lines must have led to, and what topics hold: counted from the file and read
back from Kafka with another client and no code of weir's."""

import collections
import gzip
import json

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient


def lines(path):
    with open(path, "rb") as plain:
        compressed = plain.read(2) == b"\x1f\x8b"
    with (gzip.open if compressed else open)(path, "rb") as file:
        for line in file:
            if line.strip():
                yield line.rstrip(b"\r\n")


class Expected:
    """Of a file: how many records, which ids once (each with the label of its first record), how
    many duplicates, how many without a usable id. A dead letter (its value is the line) accounts
    for one line."""

    def __init__(self, path, key_fields, dead_letters=()):
        self.records = 0
        self.labels = {}
        self.unusable = 0
        letters = collections.Counter(dead_letters)
        for line in lines(path):
            self.records += 1
            if letters[line] > 0:
                letters[line] -= 1
                continue
            try:
                record = json.loads(line)
                key = tuple(record[field] for field in key_fields)
            except (ValueError, KeyError, TypeError, RecursionError):
                key = (None,)
            if not all(isinstance(part, str) and part for part in key):
                self.unusable += 1
            else:
                self.labels.setdefault(key, record.get("class"))
        self.foreign_letters = sum(letters.values())
        self.duplicates = self.records - len(dead_letters) - self.unusable - len(self.labels)


def fields(message):
    """A protobuf message's fields as they are on the wire: {number: [int or bytes]}."""
    found, at = collections.defaultdict(list), 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            found[tag >> 3].append(varint())
            continue
        length = varint() if tag & 7 == 2 else {1: 8, 5: 4}[tag & 7]
        found[tag >> 3].append(message[at:at + length])
        at += length
    return found


class Cluster:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False,
                                      isolation_level="read_committed")
        self.newest = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)

    def ends(self, topic, consumer=None):
        consumer = consumer or self.consumer
        partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        return {p.partition: end for p, end in consumer.end_offsets(partitions).items()}

    def has_open_transaction(self, topic):
        """Whether the topic holds what a read_committed reader must not see yet."""
        return self.ends(topic) != self.ends(topic, self.newest)

    def committed(self, group, topic):
        offsets = self.admin.list_group_offsets(group)
        offsets = offsets.get(group, offsets)
        return {p.partition: o.offset for p, o in offsets.items() if p.topic == topic}

    def read(self, topic):
        """The records that a read_committed reader sees, to the end as of now."""
        partitions = [TopicPartition(topic, p) for p in self.consumer.partitions_for_topic(topic)]
        self.consumer.assign(partitions)
        self.consumer.seek_to_beginning(*partitions)
        ends = self.consumer.end_offsets(partitions)
        while any(self.consumer.position(p) < ends[p] for p in partitions):
            for records in self.consumer.poll(timeout_ms=500).values():
                yield from records


def differences(expected_ids, seen_ids):
    """What is wrong with `seen_ids` (a list), given what must be there once each."""
    seen = collections.Counter(seen_ids)
    lost = [key for key in expected_ids if key not in seen]
    doubled = [key for key, count in seen.items() if count > 1]
    foreign = [key for key in seen if key not in expected_ids]
    return [f"{len(found)} {what}, e.g. {found[0]}"
            for what, found in (("lost", lost), ("doubled", doubled), ("from nowhere", foreign))
            if found]
