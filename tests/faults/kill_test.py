"""kill -9 is a normal event: whenever a stage dies, nothing is lost, doubled or reordered."""

import os
import threading
import time
import unittest

import lab

# Every place where a turn may be cut, as named in the code.
CRASH_POINTS = ["after_poll", "before_produce", "after_begin", "after_produce", "after_flush",
                "after_send_offsets", "before_commit", "after_commit", "between_state_commits"]


def has_committed(it, process):
    """Whether this process has, which logs at debug."""
    return any(f'"pid":{process.pid},' in line and '"what":"turn committed"' in line
               for line in it.log().splitlines())


class KillTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.brokers = lab.bootstrap()

    def test_nothing_is_lost_or_doubled_when_two_instances_are_killed_at_random_moments(self):
        kills = int(os.environ.get("WEIR_KILLS", "10"))
        with lab.Lab(self.brokers, seed=int(os.environ.get("WEIR_SEED", "1"))) as it:
            stop = threading.Event()
            feeding = threading.Thread(target=it.produce, args=(10**9, True, stop))
            feeding.start()

            def start(instance):
                return it.start(instance=str(instance), WEIR__LOG__LEVEL="debug")
            try:
                running, at_work = [start(0), start(1)], 0
                for kill in range(kills):
                    victim = it.random.randrange(2)
                    process = running[victim]
                    # Any moment of a life, the start too; in every other life one of its work.
                    if kill % 2:
                        lab.wait_for(lambda: has_committed(it, process), what="a turn of its own")
                    time.sleep(it.random.uniform(0.1, 1.2))
                    self.assertTrue(feeding.is_alive(), "vacuous: nothing is left to do")
                    lab.kill(process)
                    at_work += has_committed(it, process)
                    running[victim] = start(victim)
            finally:
                stop.set()
                feeding.join()
            for process in running:
                lab.kill(process)
            it.finish(instances=("0", "1"))
            print(f"{kills} kills, {at_work} after a turn of that life")
            self.assertGreaterEqual(at_work, kills // 2, "vacuous: few had done anything")
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_nothing_is_lost_or_doubled_whichever_step_of_a_turn_is_cut(self):
        with lab.Lab(self.brokers, seed=2, lanes=1) as it:
            for point in CRASH_POINTS:
                it.produce(200)
                process = it.start("--until-end", WEIR_CRASH_AT=f"{point}:1")
                self.assertEqual(process.wait(90), -9,
                                 f"{point} was not reached:\n{it.log()[-2000:]}")
            it.finish()
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_a_lost_disk_is_rebuilt_from_the_log(self):
        import shutil
        with lab.Lab(self.brokers, seed=3) as it:
            it.produce(500)
            it.finish()
            shutil.rmtree(it.directory / "state")
            it.produce(500)
            it.finish()
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_the_checker_notices_a_stage_that_commits_its_state_first(self):
        with lab.Lab(self.brokers, seed=4, lanes=1) as it:
            it.produce(300)
            process = it.start("--until-end", WEIR_MUTANT="state_before_commit",
                               WEIR_CRASH_AT="before_commit:1")
            self.assertEqual(process.wait(90), -9)
            process = it.start("--until-end")
            self.assertEqual(process.wait(90), 70, "state ahead of the committed offset is refused")
            self.assertIn("local state covers", it.log())


if __name__ == "__main__":
    unittest.main()
