"""The broker goes away and comes back, topics are deleted and cut, disks fill up: a stage waits, or
stops with the documented exit code and says what to do. It never loses or doubles a record."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time
import unittest

from kafka import KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import NoError

import checker
import lab
import proxy
import resend_test

RESTARTS = int(os.environ.get("WEIR_BROKER_RESTARTS", "2"))
STOP_S_MAX = 75  # README: operate
UNREACHABLE, BAD_INPUT, DISK, CONFIG = 69, 65, 74, 78
SILENT = '"what":"the broker doesn\'t answer"'
SILENT_FOR = r"lane 0: the broker doesn't answer at 127\.0\.0\.1:\d+, for \d+ s now"


def create_output_again(it):
    lab.delete_topic(it, it.output)
    it.create_topics(lab.PARTITIONS, it.output)


def add_partitions(it, *topics):
    with lab.administration(it.brokers) as admin:
        admin.create_partitions({t: lab.PARTITIONS + 1 for t in topics})


def cut(it):
    """As retention does: all records of the input go."""
    with lab.administration(it.brokers) as admin:
        admin.delete_records({TopicPartition(it.raw, p): -1 for p in range(lab.PARTITIONS)})


def status(it):
    return subprocess.run([lab.BIN / "weir", "status", "--state", it.directory / "state"],
                          capture_output=True, text=True, timeout=30).stdout


def delete_offsets(it, partitions):
    wanted = [TopicPartition(it.raw, p) for p in partitions]
    with lab.administration(it.brokers) as admin:
        lab.wait_for(lambda: all(done is NoError for done in
                                 admin.delete_group_offsets(it.group, wanted).values()),
                     what="the end of the members' sessions")


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no broker of our own")
class BrokerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = lab.OwnBroker(cls.addClassCleanup)

    def setUp(self):
        self.broker.start()  # should the last test have left it dead

    def lab(self, seed, **settings):
        return lab.Lab(self.broker.address, seed, **{"session_timeout_ms": 2000, **settings})

    def assert_ends(self, it, process, code, *words):
        """By itself, with this code and last words of its own that hold these."""
        lab.wait_for(lambda: process.poll() is not None, 60,
                     lambda: f"the end:\n{it.log()[-3000:]}")
        self.assertEqual(process.returncode, code, it.log()[-2000:])
        last_words = [line for line in it.log().splitlines() if f'"pid":{process.pid},' in line][-1]
        for word in words:
            self.assertIn(word, last_words)

    def assert_goes_on(self, it, process):
        it.wait_until_processed()
        self.assertIsNone(process.poll(), f"it ended by itself:\n{it.log()[-3000:]}")
        self.assertEqual(lab.end(process), 0, it.log()[-3000:])
        self.assertEqual(it.verdict(), [], it.log()[-3000:])

    # ---- the broker is away ----

    def test_a_broker_that_restarts_under_load_costs_nothing(self):
        with self.lab(seed=21) as it:
            with it.load(aborted=False):
                process = it.start()
                it.wait_until_processed()
                for restart in range(RESTARTS):
                    self.broker.kill() if restart % 2 else self.broker.stop()
                    self.broker.start()
                    it.wait_until_processed()
                    self.assertIsNone(process.poll(), it.log()[-3000:])
            self.assert_goes_on(it, process)

    def test_a_broker_that_is_away_for_longer_than_a_transaction_may_last_costs_nothing(self):
        for point in ("after_produce", "before_commit"):
            with self.subTest(point), \
                    self.lab(seed=22, lanes=1, transaction_timeout_ms=3000) as it:
                it.produce(300)
                process = it.start(WEIR_PAUSE_AT=f"{point}:1")
                lab.wait_until_paused(process)
                self.broker.kill()
                process.send_signal(signal.SIGCONT)
                time.sleep(5)  # the length of the failure
                self.assertIsNone(process.poll(), it.log()[-3000:])
                self.assertIn("not done yet, trying again", it.log(), "it says that it waits")
                self.broker.start()
                it.produce(100)
                self.assert_goes_on(it, process)

    def test_a_stage_that_finds_no_broker_says_where_it_looked_and_waits(self):
        with self.lab(seed=23) as it:
            it.produce(100)
            self.broker.stop()
            try:
                waiting = it.start("--wait", "600")
                ending = it.start("--wait", "2", instance="1")
                self.assert_ends(it, ending, UNREACHABLE, self.broker.address,
                                 "bootstrap.servers is set by: ", ".yaml:")
                self.assertIsNone(waiting.poll())
                self.assertIn(SILENT, it.log())
            finally:
                self.broker.start()
            self.assert_goes_on(it, waiting)

    def test_an_idle_stage_says_once_that_its_broker_is_away_and_once_that_it_is_back(self):
        back = "the broker answers again"
        with self.lab(seed=25) as it:
            it.produce(100)
            process = it.start()
            it.wait_until_processed()
            # A lane that is still joining may find no word for a broker that goes.
            lab.wait_for(lambda: all(f'"partition assigned","lane":"{i}"' in it.log()
                                     for i in range(2)), what="both lanes")
            self.assertNotIn(SILENT, it.log())
            self.broker.kill()
            lab.wait_for(lambda: SILENT in it.log(), what="word of the broker")
            lab.wait_for(lambda: re.search(SILENT_FOR, status(it)), what="the reason")
            self.assertRegex(it.log(), f'{SILENT},"bootstrap.servers":"{self.broker.address}",'
                                       '"since":"20')
            time.sleep(2)
            self.broker.start()
            lab.wait_for(lambda: back in it.log(), what="word of its return")
            lab.wait_for(lambda: "the broker doesn't answer" not in status(it), what="readiness")
            self.assert_goes_on(it, process)
            self.assertEqual((it.log().count(SILENT), it.log().count(back)), (1, 1), it.log())

    def test_a_lane_that_is_still_founding_its_group_names_a_broker_that_is_away(self):
        with self.lab(seed=38, lanes=1) as it:
            it.produce(100)
            process = it.start(WEIR_PAUSE_AT="before_founding:1")
            lab.wait_until_paused(process)
            with self.broker.away():
                process.send_signal(signal.SIGCONT)
                lab.wait_for(lambda: SILENT in it.log(), 40, lambda: f"word of it:\n{it.log()}")
                self.assertRegex(status(it), SILENT_FOR)
            self.assert_goes_on(it, process)

    def test_a_broker_that_answers_all_but_what_a_start_needs_is_not_called_silent(self):
        front = resend_test.free_port()
        broker = lab.OwnBroker(self.addCleanup, "--advertise", front)
        between = proxy.Proxy(front, int(broker.address.rpartition(":")[2])).start()
        self.addCleanup(between.stop)
        with lab.Lab(f"127.0.0.1:{front}", seed=38, lanes=1) as it:
            it.produce(100, aborted=False)
            between.swallowed = (proxy.INIT_PRODUCER_ID,)
            process = it.start()
            lab.wait_for(lambda: it.log().count('"why":"fencing earlier producers') >= 2,
                         what="the second word of it, ten seconds after the first")
            self.assertNotIn(SILENT, it.log())
            between.swallowed = ()
            self.assert_goes_on(it, process)

    def test_a_broker_that_hangs_is_named_although_it_keeps_its_connections(self):
        with self.lab(seed=35, lanes=1, session_timeout_ms=45_000) as idle, \
                self.lab(seed=36, lanes=1) as busy, \
                self.lab(seed=37, lanes=1) as restoring:
            labs = idle, busy, restoring
            for it in (idle, busy):
                it.produce(200)
            restoring.produce(2000, aborted=False)
            restoring.finish()
            shutil.rmtree(restoring.directory / "state")
            # What was fetched before the broker hangs is too little to restore from.
            restoring.kafka |= {"fetch.message.max.bytes": "10000", "queued.min.messages": "1"}
            restoring.deploy(restoring.deployment, restoring.text)
            processes = (idle.start(), busy.start(WEIR_PAUSE_AT="before_commit:1"),
                         restoring.start(WEIR_PAUSE_AT="before_produce:1"))
            idle.wait_until_processed()
            for process in processes[1:]:
                lab.wait_until_paused(process)
            with self.broker.frozen():
                for process in processes[1:]:
                    process.send_signal(signal.SIGCONT)
                for it in labs:
                    lab.wait_for(lambda: re.search(SILENT_FOR, status(it)), 20,
                                 lambda: status(it))
                    lab.wait_for(lambda: SILENT in it.log(), 5)
                self.assertIn("restoring its state", restoring.log())
                self.assertNotIn("partition restored", restoring.log())
            for it, process in zip(labs, processes):
                self.assert_goes_on(it, process)

    def test_a_stop_without_a_broker_ends_and_says_that_a_turn_is_left_open(self):
        for without in (self.broker.away, self.broker.frozen):
            with self.subTest(without.__name__), self.lab(seed=24, lanes=1) as it:
                it.produce(300)
                process = it.start(WEIR_PAUSE_AT="after_produce:1")
                lab.wait_until_paused(process)
                with without():
                    process.terminate()
                    process.send_signal(signal.SIGCONT)
                    self.assertEqual(process.wait(STOP_S_MAX), 0, it.log()[-2000:])
                    self.assertIn("left with an open turn: the next start repeats it",
                                  it.log().splitlines()[-1])
                it.finish()
                self.assertEqual(it.verdict(), [], it.log()[-3000:])

    # ---- the topic is another ----

    def test_what_happened_to_the_topics_of_a_stopped_stage_stops_it(self):
        everywhere = range(lab.PARTITIONS)
        for happened, code, words in (
                (lab.create_again, BAD_INPUT, ["its outputs hold records", "created again"]),
                (create_output_again, BAD_INPUT, ["Name that one again", "created again",
                                                  "deploy a new version"]),
                (lab.delete_topic, CONFIG, ["weir topics apply"]),
                (lambda it: add_partitions(it, it.raw), CONFIG,
                 ["has 5 partitions", "all that follow it have 4"]),
                (lambda it: add_partitions(it, it.raw, it.output, it.dead_letters), BAD_INPUT,
                 ["partition 4", "partitions were added", "deploy a new version"]),
                (lambda it: [it.produce(50), cut(it)], BAD_INPUT,
                 ["lies outside the log", "retention", "deploy a new version"]),
                (lambda it: delete_offsets(it, [2]), BAD_INPUT,
                 ["partition 2", "deploy a new version"]),
                (lambda it: delete_offsets(it, everywhere), BAD_INPUT,
                 ["its outputs hold records", "deploy a new version"])):
            with self.lab(seed=24) as it, self.subTest(words):
                it.produce(200)
                it.finish()
                happened(it)
                self.assert_ends(it, it.start(), code, *words)

    def test_what_happens_to_the_topics_of_a_running_stage_stops_it(self):
        def create_again_and_fill(it):
            lab.create_again(it)
            it.produce(400)

        def cut_unread(it):
            it.produce(300)
            cut(it)
        off = {"WEIR__INPUTS__EVENTS__DEDUP": "off"}
        cases = (
            (lab.create_again, {}, BAD_INPUT, "or the topic isn't the one that was read before"),
            (create_again_and_fill, {}, BAD_INPUT, "created"),
            (create_again_and_fill, off, BAD_INPUT, "created"),
            (create_output_again, {}, BAD_INPUT, "which writes all of it again"),
            (lambda it: add_partitions(it, it.raw), off, BAD_INPUT, "partitions"),
            (lambda it: add_partitions(it, it.output), {}, BAD_INPUT, "had 4 partitions and has 5"),
            (lab.delete_topic, {}, CONFIG, "then raise `version:` first"),
            (cut_unread, {}, BAD_INPUT, ", and the log holds "))
        # All at once: the topics are looked at every 30 s.
        with contextlib.ExitStack() as stack:
            running = []
            for happens, environment, code, words in cases:
                it = stack.enter_context(self.lab(seed=25, session_timeout_ms=60_000))
                it.produce(200)
                process = it.start(**environment)
                it.wait_until_processed()
                process.send_signal(signal.SIGSTOP)  # else some of it is noticed too soon
                happens(it)
                process.send_signal(signal.SIGCONT)
                running.append((it, process, code, words))
            for it, process, code, words in running:
                with self.subTest(words):
                    self.assert_ends(it, process, code, words)

    def test_another_dedup_rule_needs_another_version_also_where_the_disk_is_new(self):
        with self.lab(seed=26) as it:
            it.produce(100)
            it.finish()
            for rule in ({"WEIR__INPUTS__EVENTS__DEDUP__WINDOW": "48h"},
                         {"WEIR__INPUTS__EVENTS__DEDUP": "off"}):
                shutil.rmtree(it.directory / "state")
                self.assert_ends(it, it.start(**rule), CONFIG,
                                 "committed with dedup 24h in 4 buckets", "new version")
            it.produce(100)
            it.finish()
            self.assertEqual(it.verdict(), [])

    def test_a_run_to_the_end_ends_although_the_broker_refuses_some_of_its_last_outputs(self):
        with self.lab(seed=33) as it:
            with lab.administration(it.brokers) as admin:
                admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, it.output,
                                                    {"max.message.bytes": "2000"})])
            it.produce(50, aborted=False)
            producer = KafkaProducer(bootstrap_servers=it.brokers)
            for key in ("too", "large"):
                value = {"comment_id": key, "content": os.urandom(3000).hex()}
                producer.send(it.raw, value=json.dumps(value).encode(), partition=0)
            producer.close()
            it.finish()
            letters = checker.read(it.brokers, it.dead_letters)
            reasons = [dict(r.headers)["weir-reason"] for rs in letters.values() for r in rs]
            self.assertEqual(reasons.count(b"output_too_large"), 2, reasons)

    def test_a_record_that_only_its_producer_compressed_well_enough_stops_nothing(self):
        """gzip takes it below the limit of the raw topic; what a stage writes is larger."""
        with self.lab(seed=34) as it:
            lab.delete_topic(it, it.dead_letters)
            # It ends with 1, for it finds fault with what this test's topics are made as.
            subprocess.run([lab.BIN / "weir", "topics", "apply", it.config], capture_output=True,
                           check=False, env={**os.environ, "WEIR_BOOTSTRAP": it.brokers})
            words = [os.urandom(4).hex() for _ in range(4000)]
            content = " ".join(it.random.choice(words) for _ in range(280_000))
            producer = KafkaProducer(bootstrap_servers=it.brokers, compression_type="gzip",
                                     max_request_size=10_000_000)
            for key, text in (("large", content), ("next", "words")):
                value = json.dumps({"comment_id": key, "content": text}).encode()
                producer.send(it.raw, value=value, partition=0).get(30)
            producer.close()
            it.finish()
            letters = [r for rs in checker.read(it.brokers, it.dead_letters).values() for r in rs]
            self.assertEqual([dict(r.headers)["weir-reason"] for r in letters],
                             [b"output_too_large"], it.log()[-2000:])
            self.assertEqual(json.loads(letters[0].value)["content"], content)

    # ---- the disk ----

    def test_state_of_another_deployment_is_refused(self):
        with self.lab(seed=27) as it, self.lab(seed=28) as other:
            for each in (it, other):
                each.produce(100)
                each.finish()
            mine, others = (pathlib.Path(next(each.directory.glob("state/ingest-*/v1/0")))
                            for each in (it, other))
            kept = it.directory / "kept"
            shutil.copytree(mine, kept)
            for store in mine.glob(f"{it.raw}-?"):
                shutil.rmtree(store)
                shutil.copytree(others / store.name.replace(it.raw, other.raw), store)
            self.assert_ends(it, it.start(), CONFIG, other.raw, it.raw, str(mine))
            shutil.rmtree(mine)
            kept.rename(mine)
            it.produce(100)
            it.finish()
            self.assertEqual(it.verdict(), [])

    def test_state_of_another_instance_is_brought_up_to_date(self):
        with self.lab(seed=29) as it:
            it.produce(300)
            it.finish()
            mine = it.directory / f"state/{it.deployment}/v1"
            shutil.copytree(mine / "0", mine / "1")
            it.produce(300)
            it.finish()
            it.produce(300)
            it.finish(instances=("1",))
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    @contextlib.contextmanager
    def small_disk(self, it):
        """`it`'s state on a file system of its own."""
        place = it.directory / "state"
        place.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "weir-test", place],
                          capture_output=True).returncode:
            self.skipTest("mounting is not permitted here")
        try:
            yield place
        finally:
            for process in it.processes:
                if process.poll() is None:
                    lab.kill(process)
            subprocess.run(["umount", place], check=True)

    def test_a_full_disk_stops_the_stage_and_room_on_it_mends_that(self):
        with self.lab(seed=30) as it, self.small_disk(it) as place:
            it.produce(200)
            with open(place / "filler", "wb", buffering=0) as filler:
                process = it.start()
                for lane in "01":  # A store that is opened on a full disk is the end at once.
                    lab.wait_for(lambda: f'"partition assigned","lane":"{lane}"' in it.log(),
                                 what=f"lane {lane} to own something")
                it.wait_until_processed()
                with contextlib.suppress(OSError):
                    while True:
                        filler.write(bytes(4096))
            lab.wait_for(lambda: "the disk of the state is nearly full" in it.log(),
                         what="the warning")
            done = threading.Event()

            def feed():
                while not done.is_set():
                    it.produce(500, aborted=False)
            feeding = threading.Thread(target=feed)
            feeding.start()
            try:
                self.assert_ends(it, process, DISK, str(place), "No space left")
            finally:
                done.set()
                feeding.join()
            (place / "filler").unlink()
            it.finish()
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_a_disk_that_became_read_only_stops_the_stage(self):
        with self.lab(seed=31) as it, self.small_disk(it) as place:
            it.produce(200)
            it.finish()
            subprocess.run(["mount", "-o", "remount,ro", place], check=True)
            self.assert_ends(it, it.start(), DISK, str(place), "Read-only file system")
            subprocess.run(["mount", "-o", "remount,rw", place], check=True)
            it.produce(200)
            it.finish()
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    # ---- the clock ----

    def test_timestamps_that_go_back_don_t_set_stream_time_back(self):
        hour = 3600 * 1000
        it = self.lab(seed=32)
        it.raw_settings = {"message.timestamp.after.max.ms": str(6 * hour)}
        with it:
            now = int(time.time() * 1000)
            producer = KafkaProducer(bootstrap_servers=it.brokers, linger_ms=5)
            # Two days in which the clock is set back by up to 30 hours now and then.
            for i in range(800):
                back = it.random.choice([0, 0, 0, 1, 30]) * hour
                key = f"c{it.random.randrange(i // 2 + 1)}"
                producer.send(it.raw, value=json.dumps({"comment_id": key}).encode(),
                              partition=lab.partition_of(key),
                              timestamp_ms=now - 48 * hour + i * 48 * hour // 800 - back)
            producer.close()
            it.finish()
            self.assertEqual(it.verdict(), [], it.log()[-3000:])
            for records in checker.read(it.brokers, it.output).values():
                times = [r.timestamp for r in records]
                self.assertEqual(times, sorted(times))


if __name__ == "__main__":
    unittest.main()
