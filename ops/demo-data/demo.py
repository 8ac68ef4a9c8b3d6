"""The demo's course; ops/demo has set up and built everything before."""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import recount

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
DATA = CHECKOUT / "ops/demo-data"
BIN = CHECKOUT / "build/release/bin"
PLACE = CHECKOUT / "build/demo"
PARTITIONS = 4

# Stage, deployment, instance.
PROCESSES = [("ingest", "ingest-comments", "0"), ("ingest", "ingest-comments", "1"),
             ("spam", "spam", "0"), ("ingest", "ingest-edits", "0")]
DEPLOYMENTS = ["ingest-comments", "spam", "ingest-edits"]


def say(text=""):
    print(text, file=sys.stderr, flush=True)


class Demo:
    def __init__(self, options):
        self.options = options
        self.running = {}
        self.bootstrap = None

    # ---- broker, topics, stages ----

    def command(self, *words, **environment):
        return subprocess.run([str(w) for w in words], cwd=CHECKOUT, check=True, text=True,
                              stdout=subprocess.PIPE, env={**self.environment(), **environment}).stdout

    def environment(self):
        return {**os.environ, "WEIR_BOOTSTRAP": self.bootstrap or "", "WEIR__STATE": str(PLACE / "state"),
                "WEIR__LANES": "2"}

    def start_broker(self):
        say("== a real Kafka")
        started = subprocess.run([CHECKOUT / "ops/kafka", "start", "--dir", PLACE / "kafka"],
                                 text=True, stdout=subprocess.PIPE)
        if started.returncode:
            sys.exit(started.returncode)
        self.bootstrap = started.stdout.strip().splitlines()[-1].removeprefix("bootstrap=")
        say(f"   {self.bootstrap}")

    def create_topics(self):
        say("== topics")
        self.command(BIN / "weir", "topics", "apply", "--partitions", PARTITIONS,
                     *[f"config/{d}.yaml" for d in DEPLOYMENTS])

    def start_stage(self, stage, deployment, instance):
        with open(PLACE / f"{deployment}-{instance}.log", "ab") as log:
            self.running[deployment, instance] = subprocess.Popen(
                [BIN / stage, "run", f"config/{deployment}.yaml"], cwd=CHECKOUT, stdout=log,
                stderr=log, stdin=subprocess.DEVNULL,
                env={**self.environment(), "WEIR__INSTANCE": instance})

    def endpoint(self, deployment, instance):
        try:
            return json.loads((PLACE / f"state/run/{deployment}-{instance}.json").read_text())["http"]
        except (OSError, ValueError):
            return None

    def wait_until_ready(self):
        for key, process in self.running.items():
            while True:
                self.fail_if_ended(key, process)
                try:
                    urllib.request.urlopen(f"http://{self.endpoint(*key)}/-/ready", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            say(f"   {key[0]}, instance {key[1]}: metrics at http://{self.endpoint(*key)}/metrics")

    def fail_if_ended(self, key, process):
        if process.poll() is not None:
            log = PLACE / f"{key[0]}-{key[1]}.log"
            sys.exit(f"{key[0]} ended with {process.returncode}; the end of {log}:\n"
                     + "\n".join(log.read_text().splitlines()[-5:]))

    # ---- data ----

    def load(self, topic, path, keys):
        self.command(BIN / "weir", "produce", "--topic", topic, "--key", ",".join(keys), path)

    def parts(self, path):
        """The file in two halves. WEIR_DEMO_DROP=1 (the demo's own test) loses a record here."""
        records = list(recount.lines(path))
        if os.environ.get("WEIR_DEMO_DROP"):
            del records[len(records) // 3]
        middle = len(records) // 2
        for name, part in (("first", records[:middle]), ("second", records[middle:])):
            file = PLACE / f"{pathlib.Path(path).name.split('.')[0]}.{name}.jsonl"
            file.write_bytes(b"".join(record + b"\n" for record in part))
            yield file

    def kill_and_restart(self, edits):
        victim = ("ingest-edits", "0")
        loading = subprocess.Popen([BIN / "weir", "produce", "--topic", "raw.edits", "--key",
                                    "time,user,page", edits], cwd=CHECKOUT, env=self.environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.15)
        self.running[victim].send_signal(signal.SIGKILL)
        self.running[victim].wait()
        done = sum(o for o in self.cluster.committed("ingest-edits.v1", "raw.edits").values())
        say(f"== ingest-edits killed with -9 at {done:,} records committed; started again")
        self.start_stage("ingest", *victim)
        if loading.wait() != 0:
            sys.exit("loading the edits failed")

    def wait_until_caught_up(self):
        say("== waiting until every stage has caught up")
        began = told = time.monotonic()
        for group, topic in (("ingest-comments.v1", "raw.comments"), ("spam.v1", "comments.v1"),
                             ("ingest-edits.v1", "raw.edits")):
            while True:
                for key, process in self.running.items():
                    self.fail_if_ended(key, process)
                ends, committed = self.cluster.ends(topic), self.cluster.committed(group, topic)
                left = sum(end - committed.get(p, 0) for p, end in ends.items())
                if left <= 0:
                    break
                if time.monotonic() - told > 5:
                    told = time.monotonic()
                    say(f"   {group}: {left:,} records to go")
                if time.monotonic() - began > 120:
                    sys.exit(f"{group} did not catch up within two minutes: {left:,} records left; its "
                             f"log is in {PLACE}")
                time.sleep(0.2)

    # ---- the table ----

    def judge(self):
        wrong = []

        def check(name, expected, ids, letters):
            for problem in recount.differences(expected.labels.keys(), ids):
                wrong.append(f"{name}: {problem}")
            if letters != expected.unusable:
                wrong.append(f"{name}: {letters} dead letters instead of {expected.unusable}")

        comments = recount.Expected(self.options.comments, ["comment_id"])
        ids, spam, agree, labelled = [], 0, 0, 0
        for value in self.cluster.read("comments.classified.v1"):
            message = recount.fields(value)
            key = (message[1][-1].decode(),)
            is_spam = recount.fields(message[100][-1])[1][-1] == 2
            ids.append(key)
            spam += is_spam
            if comments.labels.get(key) is not None:
                labelled += 1
                agree += is_spam == bool(comments.labels[key])
        letters = sum(1 for d in ("ingest-comments", "spam")
                      for _ in self.cluster.read(f"{d}.dead_letters.v1"))
        check("comments", comments, ids, letters)
        print(f"comments   in {comments.records:,}  events {len(ids):,}  duplicates "
              f"{comments.records - letters - len(set(ids)):,}  dead letters {letters:,}  "
              f"spam {100 * spam / max(len(ids), 1):.1f} %"
              + (f"  agreement {agree / labelled:.2f}" if labelled else ""))

        edits = recount.Expected(self.options.edits, ["time", "user", "page"])
        ids = []
        for value in self.cluster.read("edits.v1"):
            message = recount.fields(value)
            ids.append(tuple(message[number][-1].decode() for number in (1, 5, 3)))
        letters = sum(1 for _ in self.cluster.read("ingest-edits.dead_letters.v1"))
        check("edits", edits, ids, letters)
        print(f"edits      in {edits.records:,}  events {len(ids):,}  duplicates "
              f"{edits.records - letters - len(set(ids)):,}  dead letters {letters:,}")

        for problem in wrong:
            print(f"           {problem}")
        print(f"exactly once: {'NO' if wrong else 'yes'}", flush=True)
        if labelled:
            say("(The model learned from the shipped comments, so agreement with their labels says "
                "little;\n stages/spam/MODEL.md has what it reaches on videos it has not seen.)")
        return 65 if wrong else 0

    # ---- all of it ----

    def run(self):
        shutil.rmtree(PLACE / "state", ignore_errors=True)
        PLACE.mkdir(parents=True, exist_ok=True)
        for old in PLACE.glob("*.log"):
            old.unlink()
        subprocess.run([CHECKOUT / "ops/kafka", "stop", "--dir", PLACE / "kafka"],
                       capture_output=True)
        self.start_broker()
        self.cluster = recount.Cluster(self.bootstrap)
        self.create_topics()
        say("== stages, each a process of its own")
        for process in PROCESSES:
            self.start_stage(*process)
        self.wait_until_ready()
        say("== loading comments and the first half of the edits")
        first, second = self.parts(self.options.edits)
        for part in self.parts(self.options.comments):
            self.load("raw.comments", part, ["comment_id"])
        self.load("raw.edits", first, ["time", "user", "page"])
        self.kill_and_restart(second)
        self.wait_until_caught_up()
        return self.judge()

    def stop(self):
        for process in self.running.values():
            if process.poll() is None:
                process.terminate()
        for process in self.running.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        subprocess.run([CHECKOUT / "ops/kafka", "stop", "--dir", PLACE / "kafka"],
                       capture_output=True)


def main():
    parser = argparse.ArgumentParser(prog="ops/demo")
    parser.add_argument("--comments", default=DATA / "comments.jsonl", type=pathlib.Path)
    parser.add_argument("--edits", default=DATA / "edits.jsonl.gz", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true", help="leave broker and stages running")
    options = parser.parse_args()
    for file in (options.comments, options.edits):
        if not file.is_file():
            sys.exit(f"ops/demo: no such file: {file}")
    demo = Demo(options)
    keep = False
    try:
        code = demo.run()
        keep = options.keep
        if keep:
            say(f"Left running, with WEIR_BOOTSTRAP={demo.bootstrap}; to end: "
                f"pkill -f {PLACE.relative_to(CHECKOUT)} ; ops/kafka stop --dir {PLACE}/kafka")
        elif sys.stdin.isatty():
            say("Press Enter to stop the stages and the broker.")
            input()
        return code
    finally:
        if not keep:
            demo.stop()


if __name__ == "__main__":
    sys.exit(main())
