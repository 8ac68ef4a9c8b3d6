"""The resend hole: the client silently sends a transactional request again after a cut, and a late
first copy of it ends the next transaction half-way. With the defence nothing is lost or doubled;
without it the same schedule must do both, or the test would show nothing."""

import os
import shutil
import socket
import threading
import time
import unittest

import lab
import proxy

LANES = 4
AMBIGUOUS = int(os.environ.get("WEIR_AMBIGUOUS", "50"))
ALL_KINDS = {proxy.COMMIT: 0.4, proxy.ABORT: 0.9, proxy.OFFSETS: 0.15}
# Late offsets that come after the next ones show when the stage dies before it commits any newer.
OFFSETS = {"chances": {proxy.OFFSETS: 0.5}, "moments": (proxy.END_TXN,), "killed": 0.6,
           "interval": "200ms"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Resend:
    version = None

    @classmethod
    def setUpClass(cls):
        cls.front = free_port()
        broker = lab.OwnBroker(cls.addClassCleanup, "--version", cls.version,
                               "--advertise", cls.front)
        port = int(broker.address.rpartition(":")[2])
        cls.proxy = proxy.Proxy(cls.front, port).start()
        cls.addClassCleanup(cls.proxy.stop)

    def ride(self, ambiguous, chances=ALL_KINDS, moments=proxy.MOMENTS, killed=0.2,
             interval="20ms", **environment):
        """What went wrong with a stage that commits that often, while requests of so many
        transactions are sent twice, a fifth at least of each kind, and half at least of the
        first copies comes late; the stage is killed after this share of those."""
        with lab.Lab(f"127.0.0.1:{self.front}", seed=5, lanes=LANES) as it:
            environment["WEIR__TURN__INTERVAL_MAX"] = interval
            struck, stop = threading.Event(), threading.Event()
            self.proxy.reset(chances, moments, refused=0.3 if proxy.ABORT in chances else 0.0,
                             struck=lambda: it.random.random() < killed and struck.set())
            feeding = threading.Thread(target=it.produce, args=(10**9, False, stop))
            feeding.start()
            process = it.start(**environment)
            kills, deadline = 0, time.monotonic() + 240
            try:
                while (sum(self.proxy.ambiguous.values()) < ambiguous or
                       min(self.proxy.ambiguous[kind] for kind in chances) < ambiguous // 5 or
                       sum(self.proxy.late.values()) < ambiguous // 2):
                    self.assertLess(time.monotonic(), deadline,
                                    f"vacuous: {self.proxy.ambiguous}, late {self.proxy.late}\n"
                                    f"{it.log()[-3000:]}")
                    if struck.wait(0.05):
                        lab.kill(process)
                        kills += 1
                    elif process.poll() is None:
                        continue
                    else:
                        self.after_its_own_end(it, process, environment)
                    process = it.start(**environment)
                    struck.clear()
            finally:
                counts = f"{self.proxy.ambiguous}, late {self.proxy.late}"
                self.proxy.reset()
                stop.set()
                feeding.join()
                lab.kill(process)
            recreated = it.log().count("producer recreated")
            try:
                it.finish()
            except AssertionError:
                self.after_its_own_end(it, it.processes[-1], environment)
                it.finish()
            verdict = it.verdict()
            print(f"Kafka {self.version} {environment.get('WEIR_MUTANT', '')}: {counts}; {kills} "
                  f"kills; {recreated} producers made anew; lost {sum(v.lost for v in verdict)}, "
                  f"doubled {sum(v.doubled for v in verdict)}")
            if not environment.get("WEIR_MUTANT"):
                # weir's own count; a kill spares each lane one.
                self.assertGreaterEqual(recreated + LANES * (kills + 1), ambiguous)
            return verdict

    def after_its_own_end(self, it, process, environment):
        """The undefended stage may find its group set back, and stop. Its operator lets it start
        from the group's offsets."""
        self.assertIn("WEIR_MUTANT", environment, it.log()[-3000:])
        self.assertEqual(process.returncode, 70, it.log()[-3000:])
        shutil.rmtree(it.directory / "state")

    # By their names, the harm without the defence is shown before there is none with it.
    def test_no_harm_by_late_copies_of_commits_aborts_and_offsets(self):
        self.assertEqual(self.ride(AMBIGUOUS), [])

    def test_harm_by_late_copies_without_the_defence(self):
        lost = doubled = 0
        for _ in range(4):
            harm = self.ride(15, WEIR_MUTANT="no_resend_defence")
            lost += sum(v.lost for v in harm)
            doubled += sum(v.doubled for v in harm)
            if lost and doubled:
                return
        self.fail(f"{lost} lost, {doubled} doubled: this test can't see the hole")


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no broker of our own")
class ResendOnKafka4Test(Resend, unittest.TestCase):
    version = "4.3.1"


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no broker of our own")
class ResendOnKafka3Test(Resend, unittest.TestCase):
    version = "3.9.1"

    def test_no_harm_by_late_offsets(self):
        self.assertEqual(self.ride(8, **OFFSETS), [])

    def test_harm_by_late_offsets_without_a_new_group_member(self):
        for _ in range(6):
            harm = self.ride(8, **OFFSETS, WEIR_MUTANT="no_rejoin_in_doubt")
            if sum(v.doubled for v in harm):
                return
        self.fail("nothing doubled: this test can't see what the new member is for")


if __name__ == "__main__":
    unittest.main()
