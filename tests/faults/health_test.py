"""What the supervisor that restarts unhealthy processes is told: a stage that hangs is unhealthy,
one whose broker is away is not, for however long."""

import os
import re
import signal
import unittest
import urllib.error
import urllib.request

import dying_test
import lab

HANGS_AFTER = 60  # kBeatMax in runtime/host/process.cc


def ask(address, path):
    """(status, body)"""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read().decode()


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no broker of our own")
class HealthTest(unittest.TestCase):
    def test_a_stage_that_hangs_is_unhealthy_and_one_without_its_broker_is_not(self):
        broker = lab.OwnBroker(self.addCleanup)
        with lab.Lab(broker.address, seed=51, lanes=1) as idle, \
                lab.Lab(broker.address, seed=52, lanes=1) as busy, \
                lab.Lab(lab.bootstrap(), seed=54, lanes=1) as stopped, \
                dying_test.Dying(lab.bootstrap(), seed=53) as hanging:
            for it in (idle, busy):
                it.produce(200)
            waiting = idle.start(), busy.start(WEIR_PAUSE_AT="before_commit:1")
            idle.wait_until_processed()
            lab.wait_until_paused(waiting[1])
            broker.kill()
            waiting[1].send_signal(signal.SIGCONT)
            homes = [it.endpoint(it.config) for it in (idle, busy)]

            still = stopped.start()
            lab.wait_for(lambda: "partition assigned" in stopped.log(), what="its assignment")
            still.send_signal(signal.SIGSTOP)
            hanging.produce(20, marked=11, mark="hang")
            hanging.run(hanging.config)
            hung = hanging.endpoint(hanging.config)
            self.assertEqual(ask(hung, "/-/healthy"), (200, "ok\n"))
            lab.wait_for(lambda: ask(hung, "/-/healthy")[0] == 503, HANGS_AFTER + 60,
                         lambda: f"503:\n{hanging.log()[-3000:]}")
            still.send_signal(signal.SIGCONT)
            ready, why = ask(hung, "/-/ready")
            self.assertEqual(ready, 503)
            self.assertRegex(why, f"lane 0 hangs.* since 20.*{hanging.raw}/")
            self.assertEqual(hanging.log().count('"what":"a lane hangs'), 1, hanging.log()[-3000:])
            metrics = ask(hung, "/metrics")[1]
            self.assertRegex(metrics, r'weir_state{.*state="failed"} 1')
            lag = map(float, re.findall(r"weir_lag_records{.*} (.+)", metrics))
            self.assertGreater(sum(lag), 0, "of records that wait behind the one it hangs on")
            for home in homes:
                self.assertNotRegex(ask(home, "/metrics")[1], "weir_lag_(records|seconds){",
                                    "nobody knows it without the broker")
            for home, process, it in zip(homes, waiting, (idle, busy)):
                self.assertEqual(ask(home, "/-/healthy"), (200, "ok\n"), it.log()[-3000:])
                self.assertIsNone(process.poll(), it.log()[-3000:])
            self.assertRegex(ask(homes[1], "/-/ready")[1], '"lane 0: .', "it says why")
            lab.wait_for(lambda: "this process stood still" in stopped.log(), what="word of it")
            stopped.produce(20)
            stopped.wait_until_processed()
            self.assertNotIn("hang", stopped.log())


if __name__ == "__main__":
    unittest.main()
