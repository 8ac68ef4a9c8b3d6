"""What a stage costs beside the least that a transactional loop on the same client library costs;
bench/run has set up and built everything before.

The same preloaded topic is drained, again and again, by raw_loop (reads, produces ready payloads of
the same size, commits) and by the stage `ingest`: W1 decodes JSON to protobuf, W2 also drops
duplicates. One round is raw, W1, W2, the next W2, W1, raw, and so on; each round gives a ratio, and
the median of the ratios counts, for a figure without its neighbour says nothing on a shared
machine.
After every run the output is read back as a read_committed reader sees it: each id once, none lost.
A run that fails this ends the benchmark.
"""

import argparse
import datetime
import fcntl
import gzip
import hashlib
import json
import os
import pathlib
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time

from kafka.admin import KafkaAdminClient

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
BIN = CHECKOUT / "build/release/bin"
PLACE = CHECKOUT / "build/bench"
RAW = "raw.bench"
DUPLICATES_PERCENT = 1
# A duplicate repeats one of so many records before it.
NEAR = 100_000

# The shape of the records, and what a deployment of `ingest` says of them.
SHAPES = {
    "comments": ("ops/demo-data/comments.jsonl", ["comment_id"], """
    message: comments.v1.Comment
    event_time: {field: posted_at, from: date, format: zoneless, zone: UTC}
    rename: {class: label}"""),
    "edits": ("ops/demo-data/edits.jsonl.gz", ["time", "user", "page"], """
    message: edits.v1.Edit
    event_time: {field: edited_at, from: time}"""),
}


class Trouble(Exception):
    """Why there is no figure."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def template_records(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as lines:
        return [json.loads(line) for line in lines]


def generate(shape, count, records_file, ids_file):
    """`count` records as the real ones, but with ids of their own in what is the message's field 1;
    DUPLICATES_PERCENT of them repeat an earlier one. Returns the bytes written."""
    path, key, _ = SHAPES[shape]
    templates = []
    for record in template_records(CHECKOUT / path):
        record[key[0]] = "@"
        before, _, after = json.dumps(record, ensure_ascii=False,
                                      separators=(",", ":")).partition('"@"')
        templates.append((before + '"', '"' + after))
    began = datetime.datetime(2015, 9, 12)
    if shape == "edits":
        def new_id(number):
            at = began + datetime.timedelta(milliseconds=number)
            return at.isoformat(timespec="milliseconds") + "Z"
    else:
        def new_id(number):
            return hashlib.sha256(str(number).encode()).hexdigest()[:44]
    chance = random.Random(1)
    size = 0
    with open(records_file, "w") as records, open(ids_file, "w") as ids:
        for number in range(count):
            is_repeat = number > 0 and chance.random() < DUPLICATES_PERCENT / 100
            source = chance.randrange(max(0, number - NEAR), number) if is_repeat else number
            before, after = templates[source % len(templates)]
            record_id = new_id(source)
            size += records.write(before + record_id + after + "\n")
            ids.write(record_id + "\n")
    return size


class Bench:
    def __init__(self, options):
        self.options = options
        self.runs = []
        self.running = None

    def command(self, *words, **environment):
        done = subprocess.run([str(word) for word in words], cwd=PLACE, text=True,
                              capture_output=True, env={**os.environ, **environment})
        if done.returncode != 0:
            raise Trouble(f"{words[0]} {words[1]} ended with {done.returncode}:\n"
                          f"{(done.stdout + done.stderr).strip()[-2000:]}")
        return done.stdout

    def kafka(self, command):
        return self.command(CHECKOUT / "ops/kafka", command, "--dir", PLACE / "kafka")

    def set_up(self):
        self.kafka("stop")
        self.bootstrap = self.kafka("start").strip().splitlines()[-1].removeprefix("bootstrap=")
        self.admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        say(f"== {self.options.records:,} {self.options.data} into a topic")
        records_file = PLACE / "records.jsonl"
        size = generate(self.options.data, self.options.records, records_file, PLACE / "ids")
        (PLACE / "offsets").write_text(
            "".join(f"{offset:016x}\n" for offset in range(self.options.records)))
        self.deploy("load", "off")
        self.command(BIN / "weir", "produce", "--bootstrap", self.bootstrap, "--topic", RAW,
                     "--key", ",".join(SHAPES[self.options.data][1]),
                     "--state", PLACE / "state", records_file)
        records_file.unlink()
        return size / self.options.records

    def deploy(self, name, dedup):
        """A deployment of ingest with fresh topics and no state; returns its file."""
        config = PLACE / f"ingest-{name}.yaml"
        config.write_text(f"""stage: ingest
name: {name}
proto: [{CHECKOUT}/proto]
state: {PLACE}/state
inputs:
  events:
    topic: {RAW}
    dedup: {dedup}{SHAPES[self.options.data][2]}
outputs:
  events: {{dataset: {name}}}
kafka: {{bootstrap.servers: "{self.bootstrap}"}}
""")
        self.command(BIN / "weir", "topics", "apply", "--partitions", 1, config, "--bootstrap",
                     self.bootstrap)
        return config

    def measure(self, kind, name):
        """One run: drains the topic, checks its output, notes its cost."""
        key = ", ".join(SHAPES[self.options.data][1])
        dedup = f"{{key: [{key}], window: 24h}}" if kind == "W2" else "off"
        config = self.deploy(name, dedup)
        if kind == "raw":
            words = [BIN / "raw_loop", self.bootstrap, RAW, f"{name}.v1", name, PLACE / "payloads"]
        else:
            words = [BIN / "ingest", "run", config, "--until-end"]
        with open(PLACE / "log", "wb") as log:
            began = time.monotonic()
            self.running = subprocess.Popen(words, cwd=PLACE, stdout=log, stderr=log)
            _, status, usage = os.wait4(self.running.pid, 0)
            wall = time.monotonic() - began
            self.running.returncode, self.running = os.waitstatus_to_exitcode(status), None
        if status != 0:
            raise Trouble(f"{kind} ended with {os.waitstatus_to_exitcode(status)}; the end of "
                          f"{PLACE}/log:\n" + (PLACE / "log").read_text()[-2000:])
        ids, mode = {"raw": ("offsets", "once"), "W1": ("ids", "each"), "W2": ("ids", "once")}[kind]
        save = [PLACE / "payloads"] if name == "warm" else []
        output = json.loads(self.command(BIN / "topic_ids", self.bootstrap, f"{name}.v1",
                                         PLACE / ids, mode, *save))
        self.admin.delete_topics([f"{name}.v1", f"ingest-{name}.dead_letters.v1"])
        shutil.rmtree(PLACE / "state", ignore_errors=True)
        config.unlink()
        return {"kind": kind, "name": name, "wall_s": wall, "output": output,
                "cpu_us_per_record":
                    (usage.ru_utime + usage.ru_stime) / self.options.records * 1e6,
                "records_per_s": self.options.records / wall, "rss_kib": usage.ru_maxrss}

    def run(self):
        record_bytes = self.set_up()
        self.measure("W1", "warm")  # its output is what the raw loop produces
        say(f"== {self.options.pairs} rounds of raw, W1, W2 and back; CPU µs a record:")
        for pair in range(self.options.pairs):
            kinds = ["raw", "W1", "W2"]
            done = {kind: self.measure(kind, f"{kind.lower()}_{pair}")
                    for kind in (kinds if pair % 2 == 0 else reversed(kinds))}
            self.runs.append(done)
            say("   " + "   ".join(f"{kind} {done[kind]['cpu_us_per_record']:.2f}"
                                   for kind in kinds))
        return self.report(record_bytes)

    def report(self, record_bytes):
        def column(kind, what):
            return [done[kind][what] for done in self.runs]

        kinds = {}
        for kind in ("raw", "W1", "W2"):
            ratios = [mine / raw for mine, raw in zip(column(kind, "cpu_us_per_record"),
                                                      column("raw", "cpu_us_per_record"))]
            kinds[kind] = {what: statistics.median(column(kind, what))
                           for what in ("cpu_us_per_record", "records_per_s", "rss_kib")}
            kinds[kind]["ratio"] = [min(ratios), statistics.median(ratios), max(ratios)]
        of_all = {
            "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "commit": self.command("git", "-C", CHECKOUT, "rev-parse", "HEAD").strip(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores", "data": self.options.data,
            "records": self.options.records, "pairs": self.options.pairs,
            "record_bytes": record_bytes, "output_bytes": self.runs[0]["W1"]["output"]["bytes"]
            / self.runs[0]["W1"]["output"]["records"], "kinds": kinds, "runs": self.runs}
        result = PLACE / f"stage-{self.options.data}.json"
        result.write_text(json.dumps(of_all, indent=1) + "\n")
        print(f"{self.options.records:,} {self.options.data} of {record_bytes:.0f} B, events of "
              f"{of_all['output_bytes']:.0f} B, {DUPLICATES_PERCENT} % duplicates, "
              f"{self.options.pairs} rounds; medians, and the ratio's least and greatest")
        print(f"{'':6}{'CPU s per million':>19}{'records/s':>12}{'CPU / raw':>12}")
        for kind, of_kind in kinds.items():
            least, median, greatest = of_kind["ratio"]
            spread = f"  {least:.2f} … {greatest:.2f}" if kind != "raw" else ""
            print(f"{kind:6}{of_kind['cpu_us_per_record']:19.2f}{of_kind['records_per_s']:12,.0f}"
                  f"{median:12.2f}{spread}")
        print(f"every output was checked; all figures: {result}")
        return 0

    def stop(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self.running:
            self.running.kill()
            self.running.wait()
        self.kafka("stop")
        shutil.rmtree(PLACE / "state", ignore_errors=True)
        for left in [*PLACE.glob("ingest-*.yaml"), *PLACE.glob("*.jsonl"), PLACE / "ids",
                     PLACE / "offsets", PLACE / "payloads"]:
            left.unlink(missing_ok=True)


def positive(text):
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return int(text)


def main():
    parser = argparse.ArgumentParser(prog="bench/run stage", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=SHAPES, default="edits", help="shape of the records")
    parser.add_argument("--records", type=positive, default=1_000_000, metavar="N")
    parser.add_argument("--pairs", type=positive, default=7, metavar="N", help="rounds; default 7")
    options = parser.parse_args()
    os.environ.pop("WEIR_BOOTSTRAP", None)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    PLACE.mkdir(parents=True, exist_ok=True)
    lock = open(PLACE / "lock", "w")  # held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"bench/run: another one runs already in {PLACE}")
        return 75
    bench = Bench(options)
    try:
        return bench.run()
    except (Trouble, OSError) as trouble:
        say(f"bench/run: {trouble}")
        return 1
    except KeyboardInterrupt:
        say("bench/run: interrupted")
        return 130
    finally:
        bench.stop()


if __name__ == "__main__":
    sys.exit(main())
