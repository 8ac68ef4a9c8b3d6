"""Partitions change hands, because processes come and go, sleep, or are there twice: nothing is
lost, doubled or reordered, and nobody ends who wasn't told to."""

import contextlib
import json
import os
import signal
import subprocess
import unittest

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

import checker
import lab

CHANGES = int(os.environ.get("WEIR_CHANGES", "10"))
# The least that a broker takes unless it is told.
SESSION_MS = 6000 if os.environ.get("WEIR_BOOTSTRAP") else 2000
# What a zombie leaves behind: records only, or offsets too, on which the others must wait.
OPEN_AT = ["after_produce", "after_send_offsets"]


def members(it):
    """The instances in the group, or None while it is between two states."""
    admin = KafkaAdminClient(bootstrap_servers=it.brokers)
    try:
        group = admin.describe_groups([it.group])[it.group]
        return ({m["group_instance_id"] for m in group["members"]}
                if group["group_state"] == "Stable" else None)
    finally:
        admin.close()


def resume(process):
    process.send_signal(signal.SIGCONT)


class RebalanceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.brokers = lab.bootstrap()

    def lab(self, seed, **settings):
        return lab.Lab(self.brokers, seed, **{"session_timeout_ms": SESSION_MS, **settings})

    def assert_all_end_well(self, it, *processes):
        """They run, and end when they are told; what they did is right."""
        for process in processes:
            self.assertIsNone(process.poll(), f"it ended by itself:\n{it.log()[-3000:]}")
        for process in processes:
            self.assertEqual(lab.end(process), 0, it.log()[-3000:])
        self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_a_founder_that_is_held_up_until_the_group_has_come_and_gone_sets_nothing_back(self):
        with self.lab(seed=19, lanes=1) as it:
            it.produce(200)
            late = it.start(instance="1", WEIR_PAUSE_AT="before_founding:1")
            lab.wait_until_paused(late)
            it.finish()
            self.assertIn("ended", it.log())
            # Its session over, the group has no members left.
            lab.wait_for(lambda: members(it) in (set(), None), what="the empty group")
            resume(late)
            assigned = '"what":"partition assigned'
            lab.wait_for(lambda: it.log().count(assigned) >= 2 * lab.PARTITIONS,
                         what=f"the late founder's assignment\n{it.log()}")
            self.assert_all_end_well(it, late)

    def test_nothing_is_lost_or_doubled_while_two_processes_leave_and_join(self):
        with self.lab(seed=11) as it:
            with it.load():
                running = [it.start(instance=str(i)) for i in range(2)]
                it.wait_until_processed()
                for change in range(CHANGES):
                    leaving = it.random.randrange(2)
                    if change % 5 == 3:
                        lab.kill(running[leaving])
                    else:
                        self.assertEqual(lab.end(running[leaving]), 0, it.log()[-3000:])
                    if change % 3:  # else it is back before its session ends: no hand-over
                        lanes = {f"{it.group}.{1 - leaving}.{lane}" for lane in range(2)}
                        lab.wait_for(lambda: members(it) == lanes, what="the hand-over")
                        it.wait_until_processed()
                    self.assertIsNone(running[1 - leaving].poll(), it.log()[-3000:])
                    running[leaving] = it.start(instance=str(leaving))
                    it.wait_until_processed()
            it.wait_until_processed()
            self.assert_all_end_well(it, *running)

    def zombie(self, it, point):
        """Two processes, one of which stops in the middle of a transaction. -> (awake, asleep)"""
        awake = it.start(instance="0")
        asleep = it.start(instance="1", WEIR_PAUSE_AT=f"{point}:3")
        lab.wait_until_paused(asleep)
        return awake, asleep

    def test_a_process_that_slept_past_its_session_does_no_harm(self):
        for point in OPEN_AT:
            with self.subTest(point), self.lab(seed=12, lanes=1) as it:
                with it.load():
                    awake, asleep = self.zombie(it, point)
                    lab.wait_for(lambda: members(it) == {f"{it.group}.0.0"}, what="the hand-over")
                    resume(asleep)
                    it.wait_until_processed()
                it.wait_until_processed()
                self.assert_all_end_well(it, awake, asleep)

    def test_a_process_that_slept_past_its_transaction_writes_nothing_of_it(self):
        for point in OPEN_AT:
            with self.subTest(point), \
                    self.lab(seed=13, lanes=1, transaction_timeout_ms=3000) as it:
                with it.load():
                    awake, asleep = self.zombie(it, point)
                    it.wait_until_processed()
                it.wait_until_processed()
                # Visible once the broker has aborted what the sleeper left open.
                lab.wait_for(lambda: it.verdict() == [], 30, "all of it, done by the other")
                resume(asleep)
                lab.wait_for(lambda: members(it) == {f"{it.group}.{i}.0" for i in range(2)},
                             what="its return")
                with it.load():
                    it.wait_until_processed()
                it.wait_until_processed()
                self.assert_all_end_well(it, awake, asleep)

    def test_a_second_process_of_one_name_on_one_host_is_refused(self):
        with self.lab(seed=14) as it:
            it.produce(100)
            first = it.start()
            it.wait_until_processed()
            self.assertEqual(it.start().wait(30), 75)
            self.assertIn(f"is held by process {first.pid} on ", it.log())
            self.assertIn("runs already on this host", it.log())
            it.produce(100)
            it.wait_until_processed()
            self.assert_all_end_well(it, first)

    def test_of_two_processes_of_one_name_on_two_hosts_one_ends_and_says_why(self):
        with self.lab(seed=15) as it:
            with it.load():
                running = [it.start(),
                           it.start(WEIR__STATE=str(it.directory / "other-host"))]
                lab.wait_for(lambda: any(p.poll() is not None for p in running), 90,
                             "the end of one")
                ended = next(p for p in running if p.poll() is not None)
                self.assertEqual(ended.returncode, 75, it.log()[-3000:])
                self.assertIn("another live process", it.log())
            left = [p for p in running if p is not ended]
            with contextlib.suppress(subprocess.TimeoutExpired):
                left[0].wait(5)
            if left[0].poll() is not None:  # both may give way at about the same moment
                self.assertEqual(left[0].returncode, 75, it.log()[-3000:])
                left = [it.start()]
            it.wait_until_processed()
            self.assert_all_end_well(it, *left)

    def test_more_lanes_know_what_the_fewer_saw(self):
        with self.lab(seed=16, lanes=1) as it:
            it.produce(400)
            it.finish()
            self.retry_all(it)
            first = it.start(WEIR__LANES="4")
            it.wait_until_processed()
            self.retry_all(it)
            # With half of the partitions, whose state the second must build from the log.
            second = it.start(instance="1", WEIR__LANES="4")
            lab.wait_for(lambda: len(members(it) or ()) == 8, what="both")
            it.wait_until_processed()
            self.assertEqual(lab.end(first), 0, it.log()[-3000:])
            self.retry_all(it)
            it.wait_until_processed()
            self.assert_all_end_well(it, second)
            emitted = checker.read(it.brokers, it.output)
            self.assertEqual(sum(map(len, emitted.values())), len(it.ids))

    def retry_all(self, it):
        producer = KafkaProducer(bootstrap_servers=it.brokers, linger_ms=5)
        for key in it.ids:
            producer.send(it.raw, value=json.dumps({"comment_id": key}).encode(),
                          partition=lab.partition_of(key))
        producer.close()


if __name__ == "__main__":
    unittest.main()
