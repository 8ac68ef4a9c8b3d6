"""What a process makes of its command line and its surroundings: signals, descriptors, readers of
its log that go."""

import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

import checker
import lab
import proxy
import resend_test


class ProcessTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.brokers = lab.bootstrap()

    def test_a_reader_of_the_log_that_goes_ends_nothing(self):
        with lab.Lab(self.brokers, seed=1) as it:
            read, write = os.pipe()
            process = it.start(log_to=write)
            os.close(write)
            os.read(read, 1)
            os.close(read)
            it.produce(200)
            it.wait_until_processed()
            self.assertEqual(lab.end(process), 0)
            self.assertEqual(it.verdict(), [])

    def test_what_is_meant_for_a_closed_descriptor_goes_nowhere(self):
        with lab.Lab(self.brokers, seed=2) as it:
            it.produce(200)
            process = subprocess.run(
                ["sh", "-c", 'exec "$0" run "$1" --until-end 2>&-', lab.BIN / "ingest",
                 it.config], cwd=it.directory, timeout=60)
            self.assertEqual(process.returncode, 0)
            self.assertEqual(it.verdict(), [])
            [lock] = it.directory.glob("state/**/lock")
            self.assertRegex(lock.read_text(), r"\Aprocess \d+ on \S+\Z")

    def test_a_tap_whose_reader_has_enough_ends_well(self):
        with lab.Lab(self.brokers, seed=5) as it:
            it.produce(2000, aborted=False)
            tap = subprocess.Popen([lab.BIN / "weir", "tap", it.raw, "--bootstrap", self.brokers],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            tap.stdout.readline()
            tap.stdout.close()
            self.assertEqual(tap.wait(30), 0)
            self.assertEqual(tap.stderr.read(), b"")
            tap.stderr.close()

    def test_each_signal_that_asks_for_an_end_drains(self):
        for asked in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(asked.name), lab.Lab(self.brokers, seed=3) as it:
                it.produce(100)
                process = it.start()
                it.wait_until_processed()
                process.send_signal(asked)
                self.assertEqual(process.wait(30), 0)
                self.assertIn('"outcome":"drained"', it.log().splitlines()[-1])

    def test_a_batch_that_is_told_to_end_before_all_is_done_does_not_end_with_0(self):
        with lab.Lab(self.brokers, seed=21, lanes=1) as it:
            nowhere = it.start("--until-end",
                               WEIR__KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")
            lab.wait_for(lambda: "doesn't answer" in it.log(), what="the first attempt")
            self.assertEqual(lab.end(nowhere), 75, it.log()[-3000:])
            it.produce(200)
            last = it.start("--until-end", WEIR_PAUSE_AT="before_commit:1")
            lab.wait_until_paused(last)
            last.terminate()
            last.send_signal(signal.SIGCONT)
            self.assertEqual(last.wait(30), 0, "what it did when it was told was all")
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def rows(self, it):
        """(exit code, rows) of `weir status`."""
        said = subprocess.run([lab.BIN / "weir", "status", "--state", it.directory / "state",
                               "--output", "json"], capture_output=True, text=True)
        return said.returncode, json.loads(said.stdout)

    def status(self, it):
        """(exit code, {state: why it failed}) of `weir status`."""
        code, rows = self.rows(it)
        return code, {p["state"]: p["failure"] for p in rows}

    def test_a_killed_process_is_gone_since_it_was_seen_and_its_command_starts_it_again(self):
        with lab.Lab(self.brokers, seed=10) as it:
            it.produce(100)
            process = it.start(instance="b")
            it.wait_until_processed()
            _, [before] = self.rows(it)
            self.assertGreater(before["status"]["dead_letters"]["count"], 0)
            self.assertEqual(before["status"]["dead_letters"]["topic"], it.dead_letters)
            lab.wait_for(lambda: self.rows(it)[1][0]["seen"] > before["seen"], what="a new sign")
            lab.kill(process)
            code, [row] = self.rows(it)
            self.assertEqual((code, row["state"]), (1, "gone"))
            self.assertIn("WEIR__INSTANCE", row["variables"])
            self.assertIn(f"last seen alive at {row['seen']}", row["reasons"][0])
            again = subprocess.run(["sh", "-c", row["command"] + " --until-end"], text=True,
                                   capture_output=True, timeout=60,
                                   env={**os.environ, "WEIR__INSTANCE": "b"})
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertEqual(self.rows(it), (0, []))

    def test_a_stopped_process_is_silent_and_its_row_has_what_lets_it_go_on(self):
        with lab.Lab(self.brokers, seed=18, session_timeout_ms=45_000) as it:
            process = it.start()
            lab.wait_for(lambda: self.status(it) == (0, {"running": None}), what="the start")
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            code, [row] = self.rows(it)
            self.assertEqual((code, row["state"]), (1, "silent"))
            said = subprocess.run([lab.BIN / "weir", "status", "--state", it.directory / "state"],
                                  capture_output=True, text=True).stdout
            self.assertNotIn("start it again", said)
            [command] = re.findall("let it go on: (.+?);", said)
            other = it.start(instance="b")  # waits for the one that doesn't answer the group

            def is_joining():
                return any(re.fullmatch("lane 0: joining the group since 20.+Z", reason)
                           for row in self.rows(it)[1] for reason in row["reasons"])
            lab.wait_for(is_joining, what="the reason that it isn't ready")
            subprocess.run(command, shell=True, check=True)
            lab.wait_for(lambda: self.rows(it)[0] == 0, what="both")
            self.assertEqual(lab.end(other), 0)
            lab.wait_for(lambda: self.status(it) == (0, {"running": None}), what="its return")
            self.assertEqual(lab.end(process), 0)

    def test_a_refusal_is_listed_until_the_next_start_and_hides_no_live_process(self):
        with lab.Lab(self.brokers, seed=7) as it:
            nowhere = {"WEIR__INPUTS__EVENTS__TOPIC": f"nowhere.{it.name}"}
            self.assertEqual(it.start(**nowhere).wait(30), 78)
            code, found = self.status(it)
            self.assertEqual(code, 1)
            self.assertEqual(found["failed"]["exit_code"], 78)
            self.assertIn(f"nowhere.{it.name}", found["failed"]["reason"])
            process = it.start()
            lab.wait_for(lambda: self.status(it) == (0, {"running": None}), what="the start")
            self.assertEqual(it.start(**nowhere).wait(30), 75)
            self.assertEqual(self.status(it), (0, {"running": None}))
            self.assertEqual(lab.end(process), 0)
            self.assertEqual(self.status(it), (0, {}))

    def test_starts_that_fail_one_after_the_other_are_told_with_what_the_first_failed_for(self):
        with lab.Lab(self.brokers, seed=17) as it:
            nowhere = {"WEIR__INPUTS__EVENTS__TOPIC": f"nowhere.{it.name}"}
            self.assertEqual(it.start(**nowhere).wait(30), 78)
            state = it.directory / "state"
            kept = shutil.move(state / it.deployment, it.directory / "kept")
            (state / it.deployment).write_text("no folder")
            self.assertEqual(it.start().wait(30), 74)
            (state / it.deployment).unlink()
            shutil.move(kept, state / it.deployment)
            good = it.config.read_text()
            it.config.write_text(good + "lanes: 3\n")
            self.assertEqual(it.start().wait(30), 78)
            it.config.write_text(good)
            process = it.start()
            # Ready it may be, and well only if it is for a minute.
            lab.wait_for(lambda: self.status(it) == (1, {"running": None}), what="the start")
            [row] = self.rows(it)[1]
            self.assertEqual(row["crash_loop"]["starts"], 3)
            self.assertIn(f"nowhere.{it.name}", row["crash_loop"]["first"]["reason"])
            self.assertIn("lanes", row["crash_loop"]["last"]["reason"])
            self.assertEqual(lab.end(process), 0)

    def test_a_start_whose_state_is_no_folder_is_listed_until_the_next(self):
        with lab.Lab(self.brokers, seed=16) as it:
            state = it.directory / "state"
            state.mkdir()
            barred = state / it.deployment
            barred.write_text("no folder")
            self.assertEqual(it.start().wait(30), 74)
            code, found = self.status(it)
            self.assertEqual(code, 1)
            self.assertIn(f"state/{it.deployment} is a file; move it away",
                          found["failed"]["reason"])
            barred.unlink()
            process = it.start()
            lab.wait_for(lambda: self.status(it) == (0, {"running": None}), what="the start")
            self.assertEqual(lab.end(process), 0)

    def test_every_end_is_one_line_of_json_also_on_a_terminal(self):
        with lab.Lab(self.brokers, seed=8) as it:
            run = [lab.BIN / "ingest", "run", it.config, "--until-end", "--wait", "0"]
            elsewhere = {"WEIR__KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
            nowhere = {"WEIR__INPUTS__EVENTS__TOPIC": f"nowhere.{it.name}"}
            live = it.start(instance="b")
            lab.wait_for(lambda: "starting" in it.log(), what="the start")
            for code, change in ((0, {}), (78, nowhere), (69, elsewhere),
                                 (75, {"WEIR__INSTANCE": "b"})):
                done = subprocess.run(run, cwd=it.directory, text=True, capture_output=True,
                                      env={**os.environ, **change}, timeout=60)
                self.assertEqual(done.returncode, code, done.stderr)
                lines = [json.loads(line) for line in done.stderr.splitlines()]
                self.assertEqual({line["instance"] for line in lines},
                                 {change.get("WEIR__INSTANCE", "0")})
                last = lines[-1]
                self.assertEqual((last["what"], last["exit_code"]), ("ended", str(code)))
                self.assertEqual(last["level"], "error" if code else "info")
            self.assertEqual(lab.end(live), 0)

            said = self.on_a_terminal(run, cwd=it.directory, env={**os.environ, **nowhere})
            last = json.loads(said.splitlines()[-1])
            self.assertEqual((last["what"], last["exit_code"]), ("ended", "78"))
            self.assertEqual(said.count(f"topic nowhere.{it.name} doesn't exist"), 1, said)

    def on_a_terminal(self, command, **options):
        """What it says there."""
        terminal, its_end = os.openpty()
        process = subprocess.Popen(command, stderr=its_end, **options)
        os.close(its_end)
        said = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while chunk := os.read(terminal, 1 << 16):
                said += chunk
        os.close(terminal)
        process.wait(60)
        return said.decode()

    def test_a_file_that_doesn_t_load_is_listed_until_the_next_start_and_hides_no_process(self):
        with lab.Lab(self.brokers, seed=11) as it:
            good = it.config.read_text()
            run = [lab.BIN / "ingest", "run", it.config, "--until-end"]
            it.config.write_text(good + "lanes: 3\n")
            self.assertEqual(subprocess.run(run, cwd=it.directory, capture_output=True).returncode,
                             78)
            self.assertFalse((it.directory / "state").exists(), "a mistyped path leaves nothing")

            it.config.write_text(good)
            process = it.start()
            lab.wait_for(lambda: self.status(it) == (0, {"running": None}), what="the start")
            it.config.write_text(good + "lanes: 3\n")
            done = subprocess.run(run, cwd=it.directory, capture_output=True, text=True,
                                  env={**os.environ, "WEIR__INSTANCE": "0"})
            self.assertEqual(done.returncode, 78)
            ended = json.loads(done.stderr)
            self.assertEqual((ended["what"], ended["deployment"], ended["exit_code"]),
                             ("ended", it.deployment, "78"))
            self.assertIn("lanes", ended["outcome"])
            code, found = self.status(it)
            self.assertEqual((code, sorted(found)), (1, ["failed", "running"]))
            self.assertEqual(found["failed"]["reason"], ended["outcome"])
            [refused] = [row for row in self.rows(it)[1] if row["state"] == "failed"]
            self.assertEqual((refused["version"], refused["variables"]), (0, ["WEIR__INSTANCE"]))
            self.assertRegex(self.on_a_terminal(run, cwd=it.directory), rf"^{it.config}:\d+:1: ")

            self.assertEqual(lab.end(process), 0)
            it.config.write_text(good)
            it.finish()
            self.assertEqual(self.status(it), (0, {}))

    def test_a_model_that_is_missing_is_named_before_any_broker_is_asked(self):
        config = lab.CHECKOUT / "config/spam.yaml"
        with tempfile.TemporaryDirectory() as state:
            for command in ("lint", "run"):
                done = subprocess.run(
                    [lab.BIN / "spam", command, config], cwd=lab.CHECKOUT, capture_output=True,
                    text=True, timeout=30,
                    env={**os.environ, "WEIR__OPTIONS__MODEL": "no/such.weights",
                         "WEIR__STATE": state, "WEIR__KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"})
                self.assertEqual(done.returncode, 78, done.stderr)
                self.assertRegex(done.stderr, f"{config}: stage spam can't start: option model: .*"
                                 "no/such.weights: cannot be read")

    def test_all_that_keeps_a_start_from_asking_the_broker_is_named_at_once(self):
        config = lab.CHECKOUT / "config/spam.yaml"
        with tempfile.TemporaryDirectory() as state, socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            place = f"127.0.0.1:{taken.getsockname()[1]}"
            barred = pathlib.Path(state, "spam")
            barred.write_text("no folder")
            for code in (74, 78):
                done = subprocess.run(
                    [lab.BIN / "spam", "run", config], cwd=lab.CHECKOUT, capture_output=True,
                    text=True, timeout=30,
                    env={**os.environ, "WEIR__OPTIONS__MODEL": "no/such.weights",
                         "WEIR__STATE": state, "WEIR__HTTP__LISTEN": place})
                self.assertEqual(done.returncode, code, done.stderr)
                said = json.loads(done.stderr.splitlines()[-1])["outcome"].splitlines()
                self.assertEqual([bool(re.search(fault, line)) for fault, line in zip(
                    [f"{barred} is a file"] * (code == 74) + ["no/such.weights", f"at {place}: "],
                    said, strict=True)], [True] * len(said), said)
                if code == 74:
                    barred.unlink()

    def test_the_last_line_says_what_this_life_did(self):
        with lab.Lab(self.brokers, seed=9) as it:
            it.produce(500, aborted=False)
            it.finish()
            did = json.loads(it.log().splitlines()[-1])
            outputs = sum(map(len, checker.read(it.brokers, it.output).values()))
            dead = sum(map(len, checker.read(it.brokers, it.dead_letters).values()))
            self.assertTrue(0 < dead < outputs < 500 - dead, "a sample of each")
            self.assertEqual({line["pid"] for line in map(json.loads, it.log().splitlines())},
                             {it.processes[-1].pid})
            revoked = re.findall(r'"partitions revoked",.*"committed":"(.+?)"', it.log())
            stood = dict(each.split(": ") for each in ", ".join(revoked).split(", "))
            self.assertEqual(stood, {
                f"{it.raw}/{partition}": str(offset) for partition, (offset, _) in
                checker.committed(self.brokers, it.group, it.raw).items()})
            self.assertEqual(
                [did[name] for name in ("records_in", "outputs", "duplicates", "dropped",
                                        "dead_letters")],
                [str(n) for n in (500, outputs, 500 - outputs - dead, 0, dead)])
            it.finish()
            self.assertEqual(json.loads(it.log().splitlines()[-1])["records_in"], "0")

    def test_a_run_to_the_end_with_many_lanes_waits_for_no_session_to_end(self):
        """A lane that was done left while others joined, and they waited for 45 s."""
        with lab.Lab(self.brokers, seed=12, lanes=6, session_timeout_ms=60_000) as it:
            for _ in range(3):
                it.produce(1)
                self.assertEqual(it.start("--until-end").wait(40), 0, it.log()[-3000:])
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_a_run_to_the_end_ends_when_all_is_done_also_what_a_dead_member_still_owns(self):
        with lab.Lab(self.brokers, seed=14, session_timeout_ms=15_000) as it:
            killed = it.start(WEIR__LANES="2")
            for lane in "01":  # One that hasn't joined owns nothing when it dies.
                lab.wait_for(lambda: f'"partition assigned","lane":"{lane}"' in it.log(),
                             what=f"lane {lane} to own something")
            it.produce(40, aborted=False)
            it.wait_until_processed()
            killed.kill()
            killed.wait()
            it.produce(400)
            told = it.start("--until-end", WEIR__LANES="1")
            lab.wait_for(lambda: "owned until its session ends" in it.log(), what="the wait")
            self.assertEqual(lab.end(told), 75, "half is undone")
            process = it.start("--until-end", WEIR__LANES="1")
            self.assertEqual(process.wait(60), 0, it.log()[-3000:])
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_a_run_to_the_end_does_also_what_an_open_transaction_hides(self):
        """It ended well without the committed records behind it."""
        with lab.Lab(self.brokers, seed=23) as it:
            it.produce(100, aborted=False)
            other = KafkaProducer(bootstrap_servers=self.brokers,
                                  transactional_id=f"{it.raw}-other")
            self.addCleanup(other.close)
            other.init_transactions()
            other.begin_transaction()
            other.send(it.raw, b"{}", partition=0).get(30)
            it.produce(100, aborted=False)
            process = it.start("--until-end")
            lab.wait_for(lambda: "what an open transaction hides" in it.log(), what="the wait")
            other.abort_transaction()
            self.assertEqual(process.wait(60), 0, it.log()[-3000:])
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    @unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "it needs a broker of its own")
    def test_a_run_to_the_end_that_is_not_told_where_that_is_says_so_and_gives_up(self):
        front = resend_test.free_port()
        broker = lab.OwnBroker(self.addCleanup, "--advertise", front)
        between = proxy.Proxy(front, int(broker.address.rpartition(":")[2])).start()
        self.addCleanup(between.stop)
        silent = "the brokers don't say whether all of the input is done"
        with lab.Lab(f"127.0.0.1:{front}", seed=19, session_timeout_ms=20_000) as it:

            def start(*arguments):
                """Beside a dead member, of whose partitions it has to ask, and isn't told."""
                killed = it.start()
                for lane in "01":
                    lab.wait_for(lambda: re.search(
                        f'"pid":{killed.pid},.*"partition assigned[^"]*","lane":"{lane}"',
                        it.log()), what=f"lane {lane} to own something")
                lab.kill(killed)
                it.produce(100, aborted=False)
                process = it.start("--until-end", *arguments, WEIR__LANES="1",
                                   WEIR_PAUSE_AT="before_commit:1")
                lab.wait_until_paused(process)
                between.swallowed = (proxy.OFFSET_FETCH,)
                process.send_signal(signal.SIGCONT)
                return process

            self.assertEqual(start("--wait", "3").wait(60), 69, it.log()[-3000:])
            self.assertEqual(it.log().count(silent), 1, it.log()[-3000:])
            last = json.loads(it.log().splitlines()[-1])
            self.assertIn("didn't say for 3 s whether all of the input is done", last["outcome"])
            between.swallowed = ()
            process = start()
            lab.wait_for(lambda: it.log().count(silent) == 2, what="word of the second silence")
            self.assertEqual(lab.end(process), 75, it.log()[-3000:])
            between.swallowed = ()
            it.finish()
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    @unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "it needs a broker of its own")
    def test_a_run_to_the_end_gives_up_though_its_session_ended_before(self):
        """It owned nothing then, of which nothing fails, and was never at its end again."""
        broker = lab.OwnBroker(self.addCleanup)
        with lab.Lab(broker.address, seed=29, session_timeout_ms=20_000) as it:
            killed = it.start()
            for lane in "01":
                lab.wait_for(lambda: f'"partition assigned","lane":"{lane}"' in it.log(),
                             what=f"lane {lane} to own something")
            lab.kill(killed)
            it.produce(100, aborted=False)
            process = it.start("--until-end", "--wait", "30", WEIR__LANES="1")
            lab.wait_for(lambda: "owned until its session ends" in it.log(), what="the wait")
            with broker.frozen():
                self.assertEqual(process.wait(90), 69, it.log()[-3000:])
            self.assertIn("partitions lost", it.log())
            it.finish()
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_a_run_until_a_time_that_is_to_come_ends_though_records_go_on_coming(self):
        with lab.Lab(self.brokers, seed=20, lanes=1) as it:
            it.produce(100)
            with it.load():
                process = it.start("--until", "2099-01-01T00:00:00Z")
                lab.wait_for(lambda: "partition assigned" in it.log(), what="its assignment")
                self.assertEqual(process.wait(30), 0, it.log()[-3000:])
            it.finish()
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_an_offset_that_a_person_set_is_gone_on_from_by_order_only(self):
        with lab.Lab(self.brokers, seed=16, lanes=1) as it:
            dedup = f"{{key: [comment_id], window: 24h, buckets: {lab.BUCKETS}}}"
            it.config = it.deploy(it.deployment, it.text.replace(dedup, "off"))
            it.produce(100, aborted=False)
            it.finish()
            consumer = KafkaConsumer(bootstrap_servers=self.brokers, group_id=it.group,
                                     enable_auto_commit=False)
            self.addCleanup(consumer.close)
            place = TopicPartition(it.raw, 0)
            consumer.assign([place])

            def has_set_it():  # refused until the group has forgotten its member
                with contextlib.suppress(KafkaError):
                    consumer.commit({place: OffsetAndMetadata(1, "", -1)})
                    return True
            lab.wait_for(has_set_it, what="the offset to be set")
            for order, code in ((), 65), (("--trust-offset", f"{it.raw}/0=2"), 65), (
                    ("--trust-offset", f"{it.raw}/0=1"), 0), ((), 0):
                with self.subTest(order, code=code):
                    self.assertEqual(it.start("--until-end", *order).wait(60), code,
                                     it.log()[-3000:])
            self.assertIn(f"run once with --trust-offset {it.raw}/PARTITION=OFFSET", it.log())
            live = it.start("--trust-offset", f"{it.raw}/0=1", f"--trust-offset={it.raw}/1=1")
            lab.wait_for(lambda: self.status(it) == (0, {"running": None}), what="the start")
            self.assertTrue(self.rows(it)[1][0]["command"].endswith(f"run {it.config}"),
                            "once, not by whoever starts it again")
            self.assertEqual(lab.end(live), 0)
            taken = it.log().count("reading on from an offset that was not set by weir")
            self.assertEqual(taken, 1)

    def test_a_run_until_a_time_does_what_was_stamped_before_and_the_next_goes_on_there(self):
        with lab.Lab(self.brokers, seed=10) as it:
            it.produce(300)
            times = []
            for _ in range(2):
                ends = {p: len(rs) for p, rs in checker.read(it.brokers, it.raw).items()}
                it.produce(300)
                # That of a record: it isn't stamped before.
                times.append(min(r.timestamp for p, rs in checker.read(it.brokers, it.raw).items()
                                 for r in rs[ends[p]:]))
            for asked, done in ((times[0], times[0]), (times[1], times[1]), (times[0], times[1])):
                until = datetime.datetime.fromtimestamp(asked / 1000, datetime.timezone.utc)
                self.assertEqual(it.start("--until", until.isoformat()).wait(60), 0)
                self.assertEqual(it.verdict(before_ms=done), [], it.log()[-3000:])
            it.finish()
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_nohup_is_heeded(self):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        with lab.Lab(self.brokers, seed=4) as it:
            process = it.start()
            lab.wait_for(lambda: "starting" in it.log(), what="the start")
            process.send_signal(signal.SIGHUP)
            it.produce(100)
            it.wait_until_processed()
            self.assertEqual(lab.end(process), 0)

    def test_a_limit_of_open_files_is_raised_or_named(self):
        with lab.Lab(self.brokers, seed=6) as it:
            it.produce(100)
            limited = 'ulimit "$0" 32 && exec "$@"'
            run = [lab.BIN / "ingest", "run", it.config, "--until-end"]
            refused = subprocess.run(["sh", "-c", limited, "-n", *run], cwd=it.directory,
                                     stderr=subprocess.PIPE, text=True, timeout=30)
            self.assertEqual(refused.returncode, 78)
            self.assertIn("ulimit -n", refused.stderr)
            done = subprocess.run(["sh", "-c", limited, "-Sn", *run], cwd=it.directory,
                                  stderr=subprocess.DEVNULL, timeout=60)
            self.assertEqual(done.returncode, 0)
            self.assertEqual(it.verdict(), [])


if __name__ == "__main__":
    unittest.main()
