"""kill -9 is a normal event: whenever a stage dies, nothing is lost, doubled or reordered."""

import os
import threading
import unittest

import lab

# Every place where a turn may be cut, as named in the code.
CRASH_POINTS = ["after_poll", "before_produce", "after_begin", "after_produce", "after_flush",
                "after_send_offsets", "before_commit", "after_commit", "between_state_commits"]


class KillTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.brokers = lab.bootstrap()

    def test_nothing_is_lost_or_doubled_when_two_instances_are_killed_at_random_moments(self):
        kills = int(os.environ.get("WEIR_KILLS", "10"))
        with lab.Lab(self.brokers, seed=int(os.environ.get("WEIR_SEED", "1"))) as it:
            producing = threading.Thread(target=it.produce, args=(kills * 300,))
            producing.start()
            running = [it.start(instance="0"), it.start(instance="1")]
            for _ in range(kills):
                threading.Event().wait(it.random.uniform(0.1, 1.2))
                victim = it.random.randrange(2)
                lab.kill(running[victim])
                running[victim] = it.start(instance=str(victim))
            producing.join()
            for process in running:
                lab.kill(process)
            it.finish(instances=("0", "1"))
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
