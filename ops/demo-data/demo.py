"""The demo's course; ops/demo has set up and built everything before.

--bin and --place choose other programs and another directory for all that it writes: the demo's own
test runs beside a real one.
"""

import argparse
import collections
import contextlib
import fcntl
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
import urllib.request

import recount

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
DATA = CHECKOUT / "ops/demo-data"
PARTITIONS = 4
DISK_BYTES_MIN = 500 << 20
STUCK_SECONDS = 60
# With the shipped labels, of which the model learned: less is another model, or another text.
AGREEMENT_MIN = 0.9

# Stage, deployment, instance.
PROCESSES = [("ingest", "ingest-comments", "0"), ("ingest", "ingest-comments", "1"),
             ("spam", "spam", "0"), ("ingest", "ingest-edits", "0")]
DEPLOYMENTS = ["ingest-comments", "spam", "ingest-edits"]

EXIT_USAGE, EXIT_INPUT, EXIT_DISK, EXIT_TEMPORARY = 64, 65, 74, 75


class Trouble(Exception):
    """Why the demo can't go on, and what to do; the code is the exit status."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def say(text=""):
    print(text, file=sys.stderr, flush=True)


def on_one_line(text, width):
    """The text cut to the width, with nothing in it that moves the cursor or turns the writing
    around."""
    line, columns = "", 0
    for character in text:
        character = character if character.isprintable() else " "
        columns += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if columns > width:
            break
        line += character
    return line.rstrip()


def check_input(path, source):
    if not path.is_file():
        raise Trouble(EXIT_USAGE, f"no such file: {path}")
    wanted = f"wanted are JSON lines, each an object with {', '.join(source.key)}; plain or .gz"
    try:
        found = recount.Expected(path, source)
    except PermissionError:
        raise Trouble(EXIT_USAGE, f"{path} can't be read: permission denied")
    except (OSError, EOFError, ValueError) as why:
        raise Trouble(EXIT_INPUT, f"{path} can't be unpacked ({why}); {wanted}")
    if found.records and not found.events:
        raise Trouble(EXIT_INPUT, f"{path}: none of its {found.records:,} lines is one: {wanted}")


class Demo:
    def __init__(self, options):
        self.options = options
        self.bin, self.place = options.bin.absolute(), options.place.absolute()
        self.running = {}
        self.feeder = None
        self.bootstrap = None

    # ---- broker, topics, stages ----

    def command(self, *words):
        words = [str(word) for word in words]
        code = subprocess.run(words, cwd=CHECKOUT, stdout=subprocess.DEVNULL,
                              env=self.environment()).returncode
        if code != 0:
            raise Trouble(max(code, 1), f"this failed with {code}, see above: {shlex.join(words)}")

    def environment(self):
        return {**os.environ, "WEIR_BOOTSTRAP": self.bootstrap or "",
                "WEIR__STATE": str(self.place / "state"), "WEIR__LANES": "2"}

    def kafka(self, command):
        return subprocess.run([CHECKOUT / "ops/kafka", command, "--dir", self.place / "kafka"],
                              text=True, stdout=subprocess.PIPE, env=self.environment(),
                              stderr=subprocess.DEVNULL if command == "stop" else None)

    def start_broker(self):
        say("== a real Kafka")
        started = self.kafka("start")
        if started.returncode:
            raise Trouble(started.returncode, "no broker, see above; then start the demo again")
        self.bootstrap = started.stdout.strip().splitlines()[-1].removeprefix("bootstrap=")
        say(f"   {self.bootstrap}")

    def create_topics(self):
        say("== topics")
        self.command(self.bin / "weir", "topics", "apply", "--partitions", PARTITIONS,
                     *[f"config/{d}.yaml" for d in DEPLOYMENTS])

    def start_stage(self, stage, deployment, instance):
        with open(self.place / f"{deployment}-{instance}.log", "ab") as log:
            self.running[deployment, instance] = subprocess.Popen(
                [self.bin / stage, "run", f"config/{deployment}.yaml"], cwd=CHECKOUT, stdout=log,
                stderr=log, stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for the demo, which then ends them
                env={**self.environment(), "WEIR__INSTANCE": instance})

    def endpoint(self, deployment, instance):
        try:
            [file] = self.place.glob(f"state/run/{deployment}.v*-{instance}.json")
            return json.loads(file.read_text())["http"]
        except (OSError, ValueError):
            return None

    def wait_until_ready(self):
        for key in self.running:
            deadline = time.monotonic() + STUCK_SECONDS
            while True:
                self.fail_if_ended()
                try:
                    ready = f"http://{self.endpoint(*key)}/-/ready"
                    urllib.request.urlopen(ready, timeout=1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise self.stuck(f"{key[0]} is not ready after {STUCK_SECONDS} s")
                    time.sleep(0.1)
            say(f"   {key[0]}, instance {key[1]}: metrics at http://{self.endpoint(*key)}/metrics")

    def fail_if_ended(self):
        for (deployment, instance), process in self.running.items():
            if process.poll() is not None:
                log = self.place / f"{deployment}-{instance}.log"
                raise Trouble(EXIT_TEMPORARY,
                              f"{deployment} ended with {process.returncode}; the end of {log}:\n"
                              + "\n".join(log.read_text(errors="replace").splitlines()[-5:]))

    def stuck(self, what):
        return Trouble(EXIT_TEMPORARY, f"{what}; the stages' logs are {self.place}/*.log")

    # ---- data ----

    def produce(self, topic, source):
        """Of `weir produce`: the command line."""
        return [str(self.bin / "weir"), "produce", "--topic", topic, "--key", ",".join(source.key),
                "--state", str(self.place / "state")]

    def halves(self, path):
        """The file's lines in two halves."""
        records = [record + b"\n" for record in recount.lines(path)]
        return records[:len(records) // 2], records[len(records) // 2:]

    def load(self, topic, source, records):
        file = self.place / f"{topic}.jsonl"
        file.write_bytes(b"".join(records))
        self.command(*self.produce(topic, source), file)

    def feed(self, records):
        """To the feeder, which must still be there."""
        with contextlib.suppress(BrokenPipeError):
            self.feeder.stdin.write(b"".join(records))
            self.feeder.stdin.flush()
        if self.feeder.poll() is not None:
            raise Trouble(EXIT_TEMPORARY, "loading the edits failed, see above")

    def edits_done(self):
        return sum(self.cluster.committed("ingest-edits.v1", "raw.edits").values())

    def kill_half_way(self, first, second):
        """Feeds the second half of the edits; kills their stage after its first commits of it,
        before its end is fed at all, and, where that comes about, within a transaction."""
        victim = ("ingest-edits", "0")
        self.feeder = subprocess.Popen([*self.produce("raw.edits", recount.EDITS), "-"],
                                       cwd=CHECKOUT, stdin=subprocess.PIPE,
                                       stdout=subprocess.DEVNULL, env=self.environment(),
                                       process_group=0)
        third = -(-len(second) // 3)
        self.feed(second[:third])
        if second:
            self.wait(lambda: "" if self.edits_done() > len(first) else
                      "ingest-edits has committed nothing of the second half")
        is_torn = False
        slice_size = max(1, third // 20)
        for begin in range(third, 2 * third, slice_size):
            self.feed(second[begin:min(begin + slice_size, 2 * third)])
            is_torn = self.stop_in_transaction(victim)
            if is_torn:
                break
        fed = min(begin + slice_size, 2 * third) if third else 0
        self.running[victim].kill()
        self.running[victim].wait()
        say(f"   killed with -9 when {self.edits_done():,} of the {len(first) + len(second):,} edits "
            "were committed" + (", in the middle of the next transaction" if is_torn else "")
            + "; started again")
        self.start_stage("ingest", *victim)
        self.feed(second[fed:])
        self.feeder.stdin.close()
        if self.feeder.wait() != 0:
            raise Trouble(EXIT_TEMPORARY, "loading the edits failed, see above")

    def stop_in_transaction(self, victim):
        """Stops (SIGSTOP) the process within a transaction that has reached the broker; False: none
        was there soon, and the process runs on."""
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            if self.cluster.has_open_transaction("edits.v1"):
                self.running[victim].send_signal(signal.SIGSTOP)
                if self.cluster.has_open_transaction("edits.v1"):
                    return True
                self.running[victim].send_signal(signal.SIGCONT)
        return False

    def wait(self, missing):
        """Until missing() is false; it says what is missing, and must change now and then."""
        said = None
        while text := missing():
            if text != said:
                said, changed = text, time.monotonic()
            elif time.monotonic() - changed > STUCK_SECONDS:
                raise self.stuck(f"{text}, unchanged for {STUCK_SECONDS} s")
            self.fail_if_ended()
            time.sleep(0.1)

    def wait_until_caught_up(self):
        say("== waiting until every stage has caught up")

        def missing(group, topic):
            committed = self.cluster.committed(group, topic)
            ends = self.cluster.ends(topic, self.cluster.newest)
            left = sum(end - committed.get(p, 0) for p, end in ends.items())
            return f"{group}: {left:,} records to go" if left > 0 else ""

        def unfinished(topic):
            is_open = self.cluster.has_open_transaction(topic)
            return f"{topic}: a commit is under way" if is_open else ""

        for pair in (("ingest-comments.v1", "raw.comments"), ("spam.v1", "comments.v1"),
                     ("ingest-edits.v1", "raw.edits")):
            self.wait(lambda: missing(*pair))
        # A transaction's offsets may be seen before its outputs are.
        for topic in ("comments.classified.v1", "edits.v1", "ingest-comments.dead_letters.v1",
                      "ingest-edits.dead_letters.v1", "spam.dead_letters.v1"):
            self.wait(lambda: unfinished(topic))

    # ---- the table ----

    def judge_ingest(self, name, path, source, events, appended=()):
        """What must have become of the file; says in `wrong` where the topics hold something else.
        `events`: those found, with these fields of another stage."""
        raw = [record.value for record in self.cluster.read(f"raw.{name}")]
        letters = list(self.cluster.read(f"ingest-{name}.dead_letters.v1"))
        values = [letter.value for letter in letters]
        expected = recount.Expected(path, source, values)
        self.wrong += [f"{name}: {it}" for it in expected.differences(events, appended)]
        for what, should, found in ((f"raw.{name}", expected.lines, raw),
                                    (f"{name}, dead letters", expected.dead_letters, values)):
            self.wrong += [f"{what}: {it}" for it in recount.differences(should, found)]
        self.note_dead_letters(name, letters)
        return expected, len(raw), len(letters)

    def note_dead_letters(self, name, letters):
        reasons = collections.Counter(dict(letter.headers)["weir-reason"].decode()
                                      for letter in letters)
        self.notes += [f"{name}: {count:,} dead letters, {reason}"
                       for reason, count in sorted(reasons.items())]

    def judge(self):
        self.wrong, self.notes = [], []

        source = recount.COMMENTS
        comments = [record.value for record in self.cluster.read("comments.classified.v1")]
        verdicts = {source.id_of(comment): recount.verdict_of(comment) for comment in comments}
        if without := [key for key, verdict in verdicts.items() if verdict is None]:
            self.wrong.append(f"comments: {len(without):,} without a verdict, e.g. {without[0]}")
        # What spam set aside had come through ingest once.
        spam_letters = list(self.cluster.read("spam.dead_letters.v1"))
        set_aside = [letter.value for letter in spam_letters]
        expected, count, letters = self.judge_ingest(
            "comments", self.options.comments, source, comments + set_aside, appended=("spam",))
        self.note_dead_letters("spam", spam_letters)
        for key in set(map(source.id_of, set_aside)) - expected.undecided:
            self.wrong.append(f"spam, dead letters: {key} is a comment like any other")
        self.show_some([(verdicts[key], event.get("content") or "")
                        for key, event in expected.events.items() if verdicts.get(key)])
        spam = sum(verdict.is_spam for verdict in verdicts.values() if verdict)
        agreement = self.agreement(expected, verdicts)
        print(f"comments   in {count:,}  events {len(comments):,}  "
              f"duplicates {expected.duplicates:,}  dead letters {letters + len(spam_letters):,}  "
              f"spam {100 * spam / max(len(verdicts), 1):.1f} %"
              + (f"  agreement {agreement:.2f}" if agreement is not None else ""))

        edits = [record.value for record in self.cluster.read("edits.v1")]
        expected, count, letters = self.judge_ingest("edits", self.options.edits, recount.EDITS,
                                                     edits)
        print(f"edits      in {count:,}  events {len(edits):,}  "
              f"duplicates {expected.duplicates:,}  dead letters {letters:,}")

        for line in self.notes + self.wrong:
            print(f"           {line}")
        print(f"exactly once: {'NO' if self.wrong else 'yes'}", flush=True)
        say("(Compared by ops/demo-data/recount.py, which has no code of weir: the two files with "
            "what\n read_committed readers find in raw.comments, raw.edits, "
            "comments.classified.v1, edits.v1 and the\n dead letters.)")
        if self.are_comments_shipped():
            say("(The model learned from the shipped comments, so agreement with their labels says "
                "little;\n stages/spam/MODEL.md has what it reaches on videos it has not seen.)")
        return EXIT_INPUT if self.wrong else 0

    def agreement(self, expected, verdicts):
        """The share of labelled comments whose verdict is the label; None: none has one."""
        agree = [verdicts[key].is_spam == (str(event["label"]) == "1")
                 for key, event in expected.events.items()
                 if verdicts.get(key) and str(event.get("label")) in ("0", "1")]
        share = sum(agree) / len(agree) if agree else None
        # Of other comments the model may think otherwise than their owner.
        if self.are_comments_shipped() and (share or 0) < AGREEMENT_MIN:
            self.wrong.append("comments: the verdicts aren't those of the shipped model on the "
                              "shipped comments")
        return share

    def are_comments_shipped(self):
        return self.options.comments == DATA / "comments.jsonl"

    def show_some(self, comments):
        """A few (verdict, text) of either kind, from all over the file, in whose order they are."""
        width = shutil.get_terminal_size(fallback=(100, 0)).columns
        for is_spam, count in ((True, 5), (False, 3)):
            found = [comment for comment in comments if comment[0].is_spam is is_spam]
            for verdict, text in found[::max(-(-len(found) // count), 1)]:
                print(on_one_line(f"{'spam' if is_spam else 'not spam':8} "
                                  f"{verdict.spam_per_10000 / 100:6.2f} %  {text}", width))

    # ---- all of it ----

    def run(self):
        free = shutil.disk_usage(self.place).free
        if free < DISK_BYTES_MIN:
            raise Trouble(EXIT_DISK, f"{self.place} has {free >> 20} MiB left on its disk, and the "
                          f"demo needs {DISK_BYTES_MIN >> 20}; make room there")
        self.end_leftovers()
        shutil.rmtree(self.place / "state", ignore_errors=True)
        for old in self.place.glob("*.log"):
            old.unlink()
        self.start_broker()
        self.cluster = recount.Cluster(self.bootstrap)
        self.create_topics()
        say("== stages, each a process of its own")
        for process in PROCESSES:
            self.start_stage(*process)
        self.wait_until_ready()
        first, second = self.halves(self.options.edits)
        say(f"== loading the comments and the first half of the edits, {len(first):,}")
        for half in self.halves(self.options.comments):
            self.load("raw.comments", recount.COMMENTS, half)
        self.load("raw.edits", recount.EDITS, first)
        say(f"== loading the second half, {len(second):,}; meanwhile ingest-edits is killed")
        self.kill_half_way(first, second)
        self.wait_until_caught_up()
        return self.judge()

    def end_leftovers(self):
        """Of an earlier demo that was left running or killed."""
        for file in self.place.glob("state/run/*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                pid = json.loads(file.read_text())["pid"]
                environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if f"WEIR__STATE={self.place / 'state'}".encode() in environment:
                    os.kill(pid, signal.SIGKILL)
        self.kafka("stop")

    def stop(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave things behind
        if self.feeder and self.feeder.poll() is None:
            self.feeder.kill()
            self.feeder.wait()
        for process in self.running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.running.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        self.kafka("stop")

    def how_to_end(self):
        pids = " ".join(str(process.pid) for process in self.running.values())
        return f"kill {pids}; ops/kafka stop --dir {self.place}/kafka"


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        raise Trouble(EXIT_USAGE, message)


def run():
    parser = Arguments(prog="ops/demo")
    parser.add_argument("--comments", default=DATA / "comments.jsonl", type=pathlib.Path)
    parser.add_argument("--edits", default=DATA / "edits.jsonl.gz", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true", help="leave broker and stages running")
    parser.add_argument("--bin", default=CHECKOUT / "build/release/bin", type=pathlib.Path)
    parser.add_argument("--place", default=CHECKOUT / "build/demo", type=pathlib.Path)
    parser.add_argument("--check", action="store_true", help="look at the files only")
    options = parser.parse_args()
    check_input(options.comments, recount.COMMENTS)
    check_input(options.edits, recount.EDITS)
    if options.check:
        return 0
    # The demo's Kafka is always its own: it needs topics that nobody has written to.
    if os.environ.pop("WEIR_BOOTSTRAP", None):
        say("ops/demo: WEIR_BOOTSTRAP is set and not used: the demo starts a Kafka of its own")
    options.place.mkdir(parents=True, exist_ok=True)
    with open(options.place / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(EXIT_TEMPORARY, f"another one runs already in {options.place}")
        demo = Demo(options)
        is_kept = False
        try:
            code = demo.run()
            if options.keep or sys.stdin.isatty():
                demo.wait_until_ready()  # says where: the one that was killed has another address
            is_kept = options.keep
            if is_kept:
                say(f"Left running, with WEIR_BOOTSTRAP={demo.bootstrap}; to end it:\n"
                    f"  {demo.how_to_end()}")
            elif sys.stdin.isatty():
                say("Press Enter to stop the stages and the broker.")
                input()
            return code
        finally:
            if not is_kept:
                demo.stop()


def main():
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    sys.stdout.reconfigure(errors="replace")  # comments have characters that a terminal may lack
    try:
        return run()
    except Trouble as trouble:
        say(f"ops/demo: {trouble}")
        return trouble.code
    except (KeyboardInterrupt, EOFError):
        say("ops/demo: interrupted; what it had started is ended")
        return 130
    except OSError as why:
        say(f"ops/demo: {why.filename or 'the disk'}: {why.strerror}; what it had started is ended")
        return EXIT_DISK


if __name__ == "__main__":
    sys.exit(main())
