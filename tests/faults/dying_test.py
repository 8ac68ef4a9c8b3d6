"""A record on which the process dies three times is set aside, alone; one that is at work whenever
somebody kills the process is not."""

import json
import os
import signal
import subprocess
import time
import unittest

from kafka import KafkaProducer

import checker
import lab

PARTITIONS = 2


class Dying(lab.Site):
    def __init__(self, brokers, seed, **kafka):
        super().__init__(brokers, seed, **kafka)
        self.raw, self.output = f"raw.{self.name}", f"{self.name}.v1"
        self.config = self.deploy(f"dying-{self.name}", f"""
name: {self.name}
inputs:
  names: {{topic: {self.raw}, dedup: {{window: 24h, buckets: {lab.BUCKETS}}}}}
outputs:
  greetings: {{dataset: {self.name}}}
""")
        self.dead_letters = f"{self.config.stem}.dead_letters.v1"

    def __enter__(self):
        self.create_topics(PARTITIONS, self.raw, **lab.LOG_APPEND_TIME)
        self.create_topics(PARTITIONS, self.output, self.dead_letters)
        return self

    def produce(self, count, marked, mark):
        """Names, each twice, of which the one numbered `marked` has `mark` in it."""
        producer = KafkaProducer(bootstrap_servers=self.brokers, linger_ms=5)
        for i in range(count):
            value = {"id": f"n{i}", "name": mark if i == marked else "Ada"}
            for _ in range(2):
                producer.send(self.raw, key=f"k{i}".encode(), value=json.dumps(value).encode(),
                              partition=i % PARTITIONS)
        producer.close()

    def verdict(self, deadly=()):
        return checker.verdict(
            self.brokers, self.raw, self.output, self.dead_letters, f"{self.config.stem}.v1",
            lambda value: json.loads(value)["id"], lambda value: checker.string_field(value, 1),
            lab.WINDOW_MS, lab.BUCKETS,
            is_set_aside=lambda value: json.loads(value)["name"] in deadly)


class DyingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.brokers = lab.bootstrap()

    def test_a_record_on_which_the_process_dies_three_times_is_set_aside_alone(self):
        for mark, code in (("fault", -signal.SIGSEGV), ("overflow", -signal.SIGSEGV),
                           ("abort", -signal.SIGABRT), ("memory", -signal.SIGABRT),
                           ("exit", 70)):
            with self.subTest(mark), Dying(self.brokers, seed=8) as it:
                it.produce(400, marked=201, mark=mark)
                for _ in range(3):
                    process = it.run(it.config, "--until-end")
                    self.assertEqual(process.wait(60), code, it.log()[-2000:])
                it.run_to_end(it.config)
                self.assertEqual(it.verdict(deadly=[mark]), [], it.log()[-3000:])
                letters = [r for rs in checker.read(it.brokers, it.dead_letters).values()
                           for r in rs]
                self.assertEqual(len(letters), 1)
                self.assertEqual(dict(letters[0].headers)["weir-reason"], b"process_died")
                self.assertEqual(letters[0].key, b"k201")
                self.assertEqual(json.loads(letters[0].value), {"id": "n201", "name": mark})

    def test_try_has_shown_what_came_before_the_record_on_which_it_dies(self):
        with Dying(self.brokers, seed=15) as it:
            lines = "".join(json.dumps({"id": name, "name": name}) + "\n"
                            for name in ("Ada", "abort", "Grace"))
            tried = subprocess.run([lab.BIN / "dying", "try", it.config, "-"], input=lines,
                                   text=True, capture_output=True)
            self.assertEqual(tried.returncode, -signal.SIGABRT, tried.stderr)
            self.assertIn("Ada", tried.stdout)

    def test_a_record_during_which_the_process_is_killed_five_times_is_emitted_all_the_same(self):
        with Dying(self.brokers, seed=9) as it:
            it.produce(400, marked=201, mark="stop")
            for life in range(6):
                process = it.run(it.config, "--until-end")
                _, status = os.waitpid(process.pid, os.WUNTRACED)
                self.assertTrue(os.WIFSTOPPED(status), it.log()[-2000:])
                if life < 5:
                    lab.kill(process)
            process.send_signal(signal.SIGCONT)
            self.assertEqual(process.wait(60), 0, it.log()[-2000:])
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_a_stage_that_needs_longer_for_a_batch_than_a_transaction_may_last_gets_on(self):
        with Dying(self.brokers, seed=14, transaction_timeout_ms=6000) as it:
            producer = KafkaProducer(bootstrap_servers=it.brokers, linger_ms=5)
            for i in range(4500):
                producer.send(it.raw, key=b"k", partition=0,
                              value=json.dumps({"id": f"n{i}", "name": "slow"}).encode())
            producer.close()
            process = it.run(it.config, "--until-end", WEIR__LOG__LEVEL="debug")
            self.assertEqual(process.wait(90), 0, it.log()[-2000:])
            self.assertEqual(it.verdict(), [], it.log()[-3000:])
            turns = [int(line["records"]) for line in map(json.loads, it.log().splitlines())
                     if line["what"] == "turn committed"]
            # The first batch, of a pace unknown, and one that takes a second; not two like it.
            self.assertLess(max(turns), 3000)

    def test_a_stage_that_hangs_is_left_behind_when_its_process_is_told_twice_to_end(self):
        with Dying(self.brokers, seed=10) as it:
            it.produce(10, marked=5, mark="hang")
            process = it.run(it.config)
            lab.wait_for(lambda: "partition assigned" in it.log(), what="the assignment")
            time.sleep(2)  # in which the record is met
            process.terminate()
            with self.assertRaises(subprocess.TimeoutExpired):
                process.wait(5)
            self.assertEqual(lab.end(process, 8), 75, it.log()[-2000:])
            last_words = it.log().strip().splitlines()[-1]
            self.assertIn("a lane hangs, most likely in the stage", last_words)
            self.assertIn("the next start repeats it", last_words)
            self.assertRegex(it.log(), '"lane left behind","lane":"0","committed":'
                             rf'"{it.raw}/0: \d+, {it.raw}/1: \d+"')

    def test_a_lane_that_hangs_is_left_behind_when_another_failed(self):
        with Dying(self.brokers, seed=11) as it:
            it.produce(10, marked=5, mark="hang")
            process = it.run(it.config, WEIR__LANES="2", WEIR__OPTIONS__FAILS_BESIDE_A_HANG="true")
            self.assertEqual(process.wait(45), 78, it.log()[-2000:])
            last = json.loads(it.log().splitlines()[-1])
            self.assertEqual(last["exit_code"], "78")
            self.assertRegex(last["outcome"], r"the other lane hangs\na lane hangs, most likely")


if __name__ == "__main__":
    unittest.main()
