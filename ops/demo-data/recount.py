"""What a file of JSON lines must have led to, and what topics hold: counted from the file and read
back from Kafka with another client and no code of weir's."""

import collections
import datetime
import gzip
import json
import re

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

# As in the stages' configuration.
NESTING_MAX = 64
# Larger ones may exceed a topic's limit on their way.
LINE_BYTES_SURE = 900_000
# More can't be a number of any field, and Python would refuse thousands.
DIGITS_MAX = 30


def lines(path):
    with open(path, "rb") as plain:
        compressed = plain.read(2) == b"\x1f\x8b"
    with (gzip.open if compressed else open)(path, "rb") as file:
        for line in file:
            if line.strip():
                yield line.rstrip(b"\r\n")


class Source:
    """A source of JSON as this program knows it: the fields of its dedup key, each with its number
    in the event; those that must be strings; and those of other types, each with what is surely
    right. The names of the last two are as `spelled`."""

    def __init__(self, key, texts, others):
        self.key, self.texts, self.others = key, texts, others

    def judge(self, line):
        """(whether the line must become an event or else a dead letter, its id, its class). None:
        either will do, this program doesn't know every corner of JSON and protobuf."""
        is_plain = len(line) <= LINE_BYTES_SURE

        def members(pairs):
            nonlocal is_plain
            is_plain = is_plain and len(dict(pairs)) == len(pairs)  # no name twice
            return dict(pairs)

        try:
            record = json.loads(line.decode(), object_pairs_hook=members, parse_constant=refuse,
                                parse_int=lambda digits: int(digits[:DIGITS_MAX]))
        except (ValueError, RecursionError):
            return False, None, None
        if not isinstance(record, dict) or nesting(record) > NESTING_MAX:
            return False, None, None
        given = {spelled(name): value for name, value in record.items() if value is not None}
        key = tuple(given.get(spelled(field)) for field in self.key)
        names = [{"class": "label"}.get(name, name) for name in map(spelled, record)]
        is_plain = (is_plain and len(set(names)) == len(names)
                    and all(field in record for field in self.key))
        if not (all(isinstance(part, str) and part for part in key)
                and all(isinstance(given.get(name, ""), str) for name in self.texts)):
            return False, None, None
        is_plain = is_plain and has_whole_characters(record) and all(
            is_right(given[name]) for name, is_right in self.others.items() if name in given)
        return is_plain or None, key, record.get("class")

    def id_of(self, event):
        found = fields(event)
        return tuple((found[number] or [b""])[-1].decode() for number in self.key.values())


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def nesting(value):
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(nesting, inner), default=0) if isinstance(value, (dict, list)) else 0


def spelled(name):
    """isNew and is_new are one field."""
    return name.replace("_", "").lower()


def has_whole_characters(record):
    try:
        return bool(json.dumps(record, ensure_ascii=False).encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def is_time(zone):
    def is_right(value):
        try:
            return bool(re.fullmatch(rf"[\d-]{{10}}T[\d:]{{8}}(\.\d+)?{zone}", value, re.ASCII)
                        and datetime.datetime.fromisoformat(value))
        except (TypeError, ValueError):
            return False
    return is_right


def is_flag(value):
    return isinstance(value, bool)


def is_number(value):
    return type(value) is int and abs(value) < 1 << 31


def is_unheard_of(value):
    return False


COMMENTS = Source(
    {"comment_id": 1}, ["video", "author", "content"],
    {"date": is_time(""), "class": is_number, "label": is_number,
     # What weir itself writes into the event.
     "postedat": is_unheard_of, "spam": is_unheard_of})
EDITS = Source(
    {"time": 1, "user": 5, "page": 3},
    ["channel", "namespace", "comment", "cityname", "countryisocode", "countryname",
     "regionisocode", "regionname"],
    {"time": is_time("Z"), "editedat": is_unheard_of, "metrocode": is_number,
     **dict.fromkeys(["isanonymous", "isminor", "isnew", "isrobot", "isunpatrolled"], is_flag),
     **dict.fromkeys(["delta", "added", "deleted"], is_number)})


class Expected:
    """Of a file: its lines, which of them are dead letters, the ids that are there once each (with
    the label of the first record), and how many duplicates. Where ingest may decide whether a line
    is a dead letter, `dead_letters` (the values of those it made) says what it decided."""

    def __init__(self, path, source, dead_letters=()):
        self.lines, self.dead_letters = collections.Counter(), collections.Counter()
        self.labels = {}
        self.undecided = set()  # ids
        letters = collections.Counter(dead_letters)
        for line in lines(path):
            self.lines[line] += 1
            is_event, key, label = source.judge(line)
            if is_event is None:
                self.undecided.add(key)
            if is_event is False or is_event is None and letters[line] > 0:
                self.dead_letters[line] += 1
                letters[line] -= 1
            elif key not in self.labels:
                self.labels[key] = label
        self.records = self.lines.total()
        self.duplicates = self.records - self.dead_letters.total() - len(self.labels)


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


def differences(expected, seen):
    """What is wrong with `seen`, given what must be there, each as often as it is given."""
    expected, seen = collections.Counter(expected), collections.Counter(seen)
    surplus = seen - expected
    doubled = collections.Counter({key: n for key, n in surplus.items() if key in expected})
    return [f"{found.total():,} {what}, e.g. {str(min(found))[:80]}"
            for what, found in (("lost", expected - seen), ("doubled", doubled),
                                ("from nowhere", surplus - doubled)) if found]
