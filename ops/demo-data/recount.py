"""What a file of JSON lines must have led to, and what topics hold: counted from the file and read
back from Kafka with another client and no code of weir's."""

import calendar
import collections
import datetime
import gzip
import json
import pathlib
import re

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
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


Field = collections.namedtuple("Field", "type number is_optional")
TIMESTAMP = "google.protobuf.Timestamp"
INTEGERS = ("int32", "uint32", "int64", "Class")  # Class is an enum
# The value of a field that is absent.
DEFAULTS = {"string": "", "bool": False, **dict.fromkeys(INTEGERS, 0)}


def read_proto(path, message):
    """{name: Field} of a message in the text of one of the project's .proto files."""
    text = (PROTO / path).read_text()
    body = re.search(rf"^message {message} {{\n(.*?)^}}", text, re.MULTILINE | re.DOTALL)[1]
    found = re.findall(r"^  (optional )?([\w.]+) (\w+) = (\d+);", body, re.MULTILINE)
    return {name: Field(kind, int(number), bool(optional))
            for optional, kind, name, number in found}


class Source:
    """A source of JSON as this program knows it: the message of its events, the fields of its dedup
    key, the JSON's field that is a time in that zone, the Timestamp that it fills, and fields of
    the JSON that have another name in the event."""

    def __init__(self, proto, message, key, time, zone, instant, renamed):
        self.fields = read_proto(proto, message)
        self.key, self.time, self.instant = key, time, instant
        self.renamed = renamed
        self.names = {**{name: name for name in self.fields},
                      **{in_camel_case(name): name for name in self.fields}, **renamed}
        # Names as `spelled`: those that must be strings, and the others with what is surely right.
        types = {spelled(it): self.fields[name].type for it, name in self.names.items()}
        self.texts = [name for name, kind in types.items() if kind == "string"]
        self.others = {name: is_flag if kind == "bool" else
                       is_number if kind in INTEGERS else
                       is_unheard_of  # what weir itself writes into the event
                       for name, kind in types.items() if kind != "string"}
        self.others[time] = is_time(zone)

    def judge(self, line):
        """(whether the line must become an event or else a dead letter, its id, the event's fields
        as the JSON has them). None: either will do, this program doesn't know every corner of JSON
        and protobuf."""
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
        names = [self.renamed.get(name, name) for name in map(spelled, record)]
        is_plain = (is_plain and len(set(names)) == len(names)
                    and all(field in record for field in self.key))
        if not (all(isinstance(part, str) and part for part in key)
                and all(isinstance(given.get(name, ""), str) for name in self.texts)):
            return False, None, None
        is_plain = is_plain and has_whole_characters(record) and all(
            is_right(given[name]) for name, is_right in self.others.items() if name in given)
        event = {self.names[name]: value for name, value in record.items() if name in self.names}
        event[self.instant] = record.get(self.time)
        return is_plain or None, key, event

    def id_of(self, event):
        found = fields(event)
        return tuple(value_of(found, self.fields[name]) for name in self.key)

    def altered(self, event, given, appended=()):
        """The fields of an event that aren't what its line says, which is `given` by `judge` and
        surely right. `appended`: those that another stage has written since."""
        found = fields(event)
        differ = []
        for name, field in self.fields.items():
            value = given.get(name)
            if value is None and not field.is_optional:
                value = DEFAULTS.get(field.type)
            elif name == self.instant and value is not None:
                value = seconds_and_nanos(value)
            if name not in appended and value_of(found, field) != value:
                differ.append(name)
        known = {field.number for field in self.fields.values()}
        return differ + [f"field {number}" for number in sorted(found.keys() - known)]


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def nesting(value):
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(nesting, inner), default=0) if isinstance(value, (dict, list)) else 0


def spelled(name):
    """isNew and is_new are one field."""
    return name.replace("_", "").lower()


def in_camel_case(name):
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)


def has_whole_characters(record):
    try:
        return bool(json.dumps(record, ensure_ascii=False).encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def is_time(zone):
    def is_right(value):
        try:
            return bool(seconds_and_nanos(value) and re.fullmatch(
                rf"[\d-]{{10}}T[\d:]{{8}}(\.\d{{1,9}})?{zone}", value, re.ASCII))
        except (TypeError, ValueError):
            return False
    return is_right


def seconds_and_nanos(time):
    """Since the epoch; a time without a zone is taken as UTC."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    moment = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    return calendar.timegm(moment.utctimetuple()), int(fraction.ljust(9, "0"))


def is_flag(value):
    return isinstance(value, bool)


def is_number(value):
    return type(value) is int and abs(value) < 1 << 31


def is_unheard_of(value):
    return False


COMMENTS = Source("comments/v1/comment.proto", "Comment", key=["comment_id"], time="date", zone="",
                  instant="posted_at", renamed={"class": "label"})
EDITS = Source("edits/v1/edit.proto", "Edit", key=["time", "user", "page"], time="time", zone="Z",
               instant="edited_at", renamed={})
VERDICT = read_proto("comments/v1/comment.proto", "SpamVerdict")
LEGITIMATE, SPAM = 1, 2  # SpamVerdict.Class
Verdict = collections.namedtuple("Verdict", "is_spam spam_per_10000")


class Expected:
    """Of a file: its lines, which of them are dead letters, the events that are there once each (by
    id, as the first record has them), and how many duplicates. Where ingest may decide whether a
    line is a dead letter, `dead_letters` (the values of those it made) says what it decided."""

    def __init__(self, path, source, dead_letters=()):
        self.lines, self.dead_letters = collections.Counter(), collections.Counter()
        self.source, self.events = source, {}
        self.undecided = set()  # ids
        letters = collections.Counter(dead_letters)
        for line in lines(path):
            self.lines[line] += 1
            is_event, key, event = source.judge(line)
            if is_event is None:
                self.undecided.add(key)
            if is_event is False or is_event is None and letters[line] > 0:
                self.dead_letters[line] += 1
                letters[line] -= 1
            elif key not in self.events:
                self.events[key] = event
        self.records = self.lines.total()
        self.duplicates = self.records - self.dead_letters.total() - len(self.events)

    def differences(self, events, appended=()):
        """What is wrong with the events found; `appended` as in Source.altered."""
        ids, altered = [], {}
        for event in events:
            ids.append(key := self.source.id_of(event))
            if key in self.events and key not in self.undecided:
                if names := self.source.altered(event, self.events[key], appended):
                    altered[key] = names
        found = differences(self.events.keys(), ids)
        if altered:
            key = min(altered)
            found.append(f"{len(altered):,} altered, e.g. {', '.join(altered[key])} of "
                         f"{str(key)[:80]}")
        return found


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


def value_of(found, field):
    """What `fields` found of a field; of a Timestamp seconds and nanos, of another message its
    bytes. None where it is absent and that makes a difference."""
    is_number = field.type in (*INTEGERS, "bool")
    values = [value for value in found.get(field.number, []) if isinstance(value, int) == is_number]
    if not values:
        return None if field.is_optional else DEFAULTS.get(field.type)
    if field.type == TIMESTAMP:
        parts = fields(values[-1])
        return tuple(value_of(parts, Field(kind, number, False))
                     for number, kind in ((1, "int64"), (2, "int32")))
    if field.type == "string":
        return values[-1].decode(errors="backslashreplace")
    if field.type == "bool":
        return bool(values[-1])
    if is_number:
        return values[-1] - (values[-1] >> 63 << 64)
    return values[-1]


def verdict_of(event):
    """What the stage spam says of a comment; None where there is no verdict, or part of one."""
    found = fields(value_of(fields(event), COMMENTS.fields["spam"]) or b"")
    kind, spam_per_10000, model = (value_of(found, VERDICT[name])
                                   for name in ("class", "spam_per_10000", "model_version"))
    if kind not in (LEGITIMATE, SPAM) or not 0 <= spam_per_10000 <= 10_000 or not model:
        return None
    return Verdict(kind == SPAM, spam_per_10000)


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
