"""The demo says what is true of any two files, and notices what a pipeline does wrong."""

import gzip
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
DATA = CHECKOUT / "ops/demo-data"
BIN = os.environ.get("WEIR_BIN", CHECKOUT / "build/dev/bin")
sys.path.append(str(DATA))
import recount  # noqa: E402


def comment(number, **fields):
    return json.dumps({"comment_id": f"c{number}", "content": f"check out my channel {number}",
                       **fields}).encode()


def edit(number, **fields):
    return json.dumps({"time": f"2015-09-12T00:{number // 60:02}:{number % 60:02}.000Z",
                       "user": "somebody", "page": f"Page {number}", **fields}).encode()


def message(*fields):
    """Of (number, value) on the wire, where varints and lengths are below 128."""
    wire = b""
    for number, value in fields:
        is_bytes = isinstance(value, bytes)
        tag = number << 3 | 2 * is_bytes
        wire += bytes([tag] if tag < 128 else [tag & 127 | 128, tag >> 7])
        wire += bytes([len(value)]) + value if is_bytes else bytes([value])
    return wire


class RecountTest(unittest.TestCase):
    """The judge itself, of which the demo's other tests see single words."""

    def test_each_field_of_an_event_that_is_not_what_its_line_says_is_named(self):
        line = comment(1, date="1970-01-01T00:01:00.000000042", **{"class": 0}, likes=7)
        right = {1: b"c1", 4: message((1, 60), (2, 42)), 5: b"check out my channel 1", 6: 0}
        is_event, _, given = recount.COMMENTS.judge(line)
        self.assertTrue(is_event)
        for changed, names in (({}, []), ({2: b""}, []), ({2: b"Psy"}, ["video"]),
                               ({4: None}, ["posted_at"]), ({4: message((1, 60))}, ["posted_at"]),
                               ({4: message((1, 61), (2, 42))}, ["posted_at"]),
                               ({5: b"", 6: 1}, ["content", "label"]), ({5: b"\xff"}, ["content"]),
                               ({6: None}, ["label"]), ({100: b""}, ["spam"]),
                               ({77: 1}, ["field 77"])):
            event = message(*[field for field in {**right, **changed}.items()
                              if field[1] is not None])
            self.assertEqual(recount.COMMENTS.altered(event, given), names)

    def test_part_of_a_verdict_is_none(self):
        whole = {1: 2, 2: 99, 3: b"spam-1"}
        self.assertEqual(recount.verdict_of(message((100, message(*whole.items())))), (True, 99))
        for fields in ({1: 0}, {1: 3}, {3: b""}):
            verdict = message(*{**whole, **fields}.items())
            self.assertIsNone(recount.verdict_of(message((100, verdict))))
        self.assertIsNone(recount.verdict_of(message((1, b"c1"))))


class DemoTest(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="weir-demo."))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)

    def file(self, name, content):
        path = self.scratch / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    def command(self, *arguments):
        return [sys.executable, "-B", DATA / "demo.py", "--bin", BIN, "--place",
                self.scratch / "place", *arguments]

    def demo(self, *arguments, code=0, **environment):
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=500,
                              stdin=subprocess.DEVNULL, env={**os.environ, **environment})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse((self.scratch / "place/kafka").exists(), "the broker is gone")
        self.said = done.stderr
        return done.stdout.splitlines()

    def test_the_shipped_files_come_through_a_kill_half_way_exactly_once(self):
        comments = recount.Expected(DATA / "comments.jsonl", recount.COMMENTS)
        edits = recount.Expected(DATA / "edits.jsonl.gz", recount.EDITS)
        *shown, of_comments, of_edits, verdict = self.demo(COLUMNS="70")
        self.assertRegex("\n".join(shown), r"^(spam +\d+\.\d\d %  .+\n){5}"
                         r"(not spam +\d+\.\d\d %  .+(\n|$)){3}$")
        self.assertTrue(all(len(line) <= 70 for line in shown), shown)
        self.assertIn("  Huh, anyway check out this you[tube] channel: kob", shown[0])
        self.assertRegex(of_comments, re.compile(
            f"comments   in {comments.records:,}  events {len(comments.events):,}  "
            f"duplicates {comments.duplicates:,}  dead letters 0  "
            r"spam \d\d\.\d %  agreement \d\.\d\d$"))
        self.assertEqual(of_edits, f"edits      in {edits.records:,}  events "
                         f"{len(edits.events):,}  duplicates {edits.duplicates:,}  "
                         "dead letters 0")
        self.assertEqual(verdict, "exactly once: yes")
        killed = re.search(r"killed with -9 when ([\d,]+) of the ([\d,]+) edits were committed, in "
                           "the middle of the next transaction", self.said)
        self.assertIsNotNone(killed, self.said)
        at, of = (int(number.replace(",", "")) for number in killed.groups())
        self.assertEqual(of, edits.records)
        self.assertTrue(of // 2 < at < of, f"{at} of {of} is after the middle and before the end")

    def programs(self, name, script):
        """A directory of the programs, with this script before one of them, its $it."""
        directory = self.scratch / "bin"
        directory.mkdir()
        for program in ("ingest", "spam", "weir"):
            (directory / program).symlink_to(pathlib.Path(BIN) / program)
        (directory / name).unlink()
        (directory / name).write_text(
            f'#!/bin/sh\nit={shlex.quote(str(pathlib.Path(BIN) / name))}\n{script}\n')
        (directory / name).chmod(0o755)
        return directory

    def problems(self, name, script, comments=None):
        """What the demo says is wrong, with such programs: of thirty comments, unless told others,
        and as many edits, of which one comes twice each, and of one comment without an id."""
        comments = comments or self.file("comments.jsonl", b"\n".join(
            [comment(n, video="Psy") for n in range(30)] + [comment(7, video="Psy"), b"{}"]))
        edits = self.file("edits.jsonl", b"\n".join(
            [edit(n, added=7, deleted=n) for n in range(30)] + [edit(7)]))
        said = self.demo("--bin", self.programs(name, script), "--comments", comments, "--edits",
                         edits, code=65)
        self.assertEqual(said[-1], "exactly once: NO")
        return "\n".join(said)

    def test_records_that_are_lost_on_the_way_to_kafka_are_noticed(self):
        said = self.problems("weir", """
for last; do :; done
case "$1" in produce) [ "$last" = - ] || sed -i 5d "$last" ;; esac
exec "$it" "$@"
""")
        self.assertIn("\n           comments: 2 lost, e.g. ('c20',)", said)
        self.assertIn("""raw.comments: 2 lost, e.g. b'{"comment_id": "c20",""", said)
        self.assertIn("\n           edits: 1 lost", said)

    def test_records_that_a_stage_drops_are_noticed(self):
        said = self.problems("ingest", """
case "$2" in *comments*) export WEIR__INPUTS__EVENTS__DEDUP__KEY=video ;; esac
exec "$it" "$@"
""")
        self.assertRegex(said, r"\n +comments: 2\d lost, e.g. \('c\d+',\)")
        self.assertNotIn("raw.comments: ", said)

    def test_records_that_a_stage_doubles_or_fails_to_set_aside_are_noticed(self):
        said = self.problems("ingest", """
export WEIR__INPUTS__EVENTS__DEDUP__WINDOW=off WEIR__INPUTS__EVENTS__DEDUP__ON_MISSING_KEY=pass
exec "$it" "$@"
""")
        for problem in ("comments: 1 doubled, e.g. ('c7',)", "edits: 1 doubled",
                        "comments: 1 from nowhere, e.g. ('',)",
                        "comments, dead letters: 1 lost, e.g. b'{}'"):
            self.assertIn(f"\n           {problem}", said)

    def test_fields_that_a_stage_alters_and_verdicts_on_them_are_noticed(self):
        said = self.problems("ingest", """
case "$2" in
*comments*)
  export WEIR__INPUTS__EVENTS__RENAME__CONTENT=author WEIR__INPUTS__EVENTS__RENAME__AUTHOR=content
  ;;
*edits*)
  export WEIR__INPUTS__EVENTS__RENAME__ADDED=deleted WEIR__INPUTS__EVENTS__RENAME__DELETED=added
  ;;
esac
exec "$it" "$@"
""", comments=DATA / "comments.jsonl")
        for problem in ("comments: 1,146 altered, e.g. author, content of ('LZQ",
                        "comments: the verdicts aren't those of the shipped model",
                        "edits: 29 altered, e.g. added, deleted of ('2015-09-12T00:00:00.000Z',"):
            self.assertIn(f"\n           {problem}", said)
        for other in ("lost", "doubled", "from nowhere"):
            self.assertNotIn(other, said)

    def test_records_that_a_stage_sets_aside_without_need_are_noticed(self):
        said = self.problems("ingest",
                             'WEIR__INPUTS__EVENTS__VALUE_BYTES_MAX=1B exec "$it" "$@"')
        for problem in ("comments: 30 lost", "comments, dead letters: 31 from nowhere",
                        "edits: 30 lost", "edits, dead letters: 31 from nowhere"):
            self.assertIn(f"\n           {problem}", said)

    def test_files_of_somebody_elses_with_garbage_retries_and_no_labels(self):
        comments = self.file("theirs.jsonl", b"\r\n".join(
            [comment(n) for n in range(20)]
            + [b"garbage", b'{"comment_id": "cut', b"\xff\xfe\x00", b'{"comment_id": ""}',
               b"[" * 9000, b'{"content": "no id"}', b"", comment(30, content={"an": "object"}),
               comment(3), comment(4), comment(31, class_=1, likes=7),
               comment(32, content="\x1b[31m\n\u202e" + "\u5b57" * 100),
               b'{"comment_id": "c33", "deep": ' + b"[" * 64 + b"]" * 64 + b"}",
               b'{"comment_id": "c37", "content": "", "votes": ' + b"1" * 5000 + b"}",
               # Where it is ingest's word, or that of spam, what becomes of these.
               b'{"commentId": "c38"}', b'{"commentId": "c39", "comment_id": "c39"}',
               b'{"comment_id": "c34", "comment_id": "c35"}', comment(36, spam={"class": 2})]))
        edits = self.file("theirs.jsonl.gz", b"\n".join(
            [edit(n) for n in range(20)] + [b"garbage", b"null", edit(5), edit(30, delta="many")]))
        said = self.demo("--comments", comments, "--edits", edits, COLUMNS="100")
        [of_the_signs] = [line for line in said if "\u5b57" in line]
        self.assertRegex(of_the_signs, "^(spam    |not spam) .{8}   \\[31m  \u5b57{37}$")
        table = next(i for i, line in enumerate(said) if line.startswith("comments "))
        of_comments, of_edits, *reasons, verdict = said[table:]
        self.assertRegex(of_comments, r"^comments   in 37  events 24  duplicates 2  "
                         r"dead letters 11  spam \d+\.\d %$")
        self.assertEqual(of_edits, "edits      in 24  events 20  duplicates 1  dead letters 3")
        self.assertEqual(verdict, "exactly once: yes")
        self.assertIn("dead letters, ", reasons[0])

    def test_empty_files_are_files(self):
        of_comments, of_edits, verdict = self.demo("--comments", self.file("comments.jsonl", b""),
                                                   "--edits", self.file("edits.jsonl.gz", b""))
        self.assertEqual(of_comments, "comments   in 0  events 0  duplicates 0  dead letters 0  "
                         "spam 0.0 %")
        self.assertEqual(of_edits, "edits      in 0  events 0  duplicates 0  dead letters 0")
        self.assertEqual(verdict, "exactly once: yes")

    def test_files_that_cannot_be_meant_are_refused_before_anything_starts(self):
        for name, content, why in (
                ("array.jsonl", b"[" + comment(1) + b"]", "none of its 1 lines is one"),
                ("edits.jsonl", edit(1), "each an object with comment_id"),
                ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "none of its")):
            self.demo("--comments", self.file(name, content), code=65)
            self.assertIn(why, self.said)
        cut = self.scratch / "cut.jsonl.gz"
        cut.write_bytes(gzip.compress(comment(1) * 100)[:-20])
        self.demo("--comments", cut, code=65)
        self.assertIn("can't be unpacked", self.said)
        self.demo("--edits", self.scratch / "nowhere.jsonl", code=64)
        self.assertIn("no such file", self.said)
        self.demo("--edits", self.scratch, code=64)
        self.demo("--twice", code=64)
        self.assertFalse((self.scratch / "place").exists())

    def test_the_command_finds_files_from_where_it_is_typed(self):
        done = subprocess.run([CHECKOUT / "ops/demo", "--comments", "nowhere.jsonl"], text=True,
                              cwd=self.scratch, capture_output=True)
        self.assertEqual(done.returncode, 64)
        self.assertIn(f"no such file: {self.scratch}/nowhere.jsonl", done.stderr)

    def test_kept_it_says_where_its_processes_are_now_and_how_to_end_them(self):
        done = subprocess.run(self.command("--keep"), capture_output=True, text=True, timeout=500,
                              stdin=subprocess.DEVNULL,
                              env={**os.environ, "WEIR_BOOTSTRAP": "nowhere:1"})
        how_to_end = done.stderr.strip().splitlines()[-1].strip()
        try:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("WEIR_BOOTSTRAP is set and not used", done.stderr)
            self.assertRegex(how_to_end, r"^kill( \d+){4}; ops/kafka stop --dir ")
            after_the_kill = done.stderr.split("started again\n")[1]
            addresses = re.findall(r"metrics at (http://\S+)", after_the_kill)
            self.assertEqual(len(addresses), 4, done.stderr)
            for address in addresses:
                with urllib.request.urlopen(address, timeout=10) as answer:
                    self.assertIn(b"weir_", answer.read())
        finally:
            subprocess.run(["bash", "-c", how_to_end], cwd=CHECKOUT, check=True,
                           capture_output=True)
        self.assertFalse((self.scratch / "place/kafka").exists())

    def test_interrupted_it_leaves_nothing_running(self):
        demo = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
        said = []
        with demo.stderr:
            for line in demo.stderr:
                said.append(line)
                if "ingest-edits, instance 0: metrics at" in line:
                    demo.send_signal(signal.SIGINT)
        self.assertEqual(demo.wait(60), 130, said)
        self.assertIn("what it had started is ended", said[-1])
        mine = f"WEIR__STATE={self.scratch}/place/state".encode()
        for environment in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                self.assertNotIn(mine, environment.read_bytes().split(b"\0"), environment)
            except OSError:
                pass  # somebody else's, or gone
        self.assertFalse((self.scratch / "place/kafka").exists())


if __name__ == "__main__":
    unittest.main()
