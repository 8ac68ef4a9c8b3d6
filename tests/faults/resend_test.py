"""The resend hole: the client silently sends a transactional request again after a cut, and a late
first copy of it ends the next transaction half-way. With the defence nothing is lost or doubled;
without it the same schedule must go wrong, or the test would show nothing."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import lab
import proxy


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no broker of our own")
class ResendTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="weir-resend."))
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.front = free_port()
        started = subprocess.run([lab.CHECKOUT / "ops/kafka", "start", "--dir",
                                  cls.directory / "kafka", "--advertise", str(cls.front)],
                                 capture_output=True, text=True, check=True)
        cls.addClassCleanup(subprocess.run, [lab.CHECKOUT / "ops/kafka", "stop", "--dir",
                                             cls.directory / "kafka"], capture_output=True)
        port = int(started.stdout.strip().splitlines()[-1].rpartition(":")[2])
        cls.proxy = proxy.Proxy(cls.front, port).start()
        cls.addClassCleanup(cls.proxy.stop)

    def ride(self, keys, **environment):
        """A stage that commits every 20 ms, while 15 frames of `keys` come late. -> violations."""
        with lab.Lab(f"127.0.0.1:{self.front}", seed=5, lanes=1) as it:
            self.proxy.keys, self.proxy.chance, self.proxy.kept = set(keys), 0.5, 0
            process = it.start(WEIR__TURN__INTERVAL_MAX="20ms", **environment)
            deadline = time.monotonic() + 40
            while self.proxy.kept < 15 and time.monotonic() < deadline:
                it.produce(10, aborted=False)
                if process.poll() is not None:
                    return [f"the stage ended by itself with {process.returncode}"]
            self.assertGreaterEqual(self.proxy.kept, 5, "vacuous: too few frames to keep")
            lab.kill(process)
            self.proxy.chance = 0.0
            try:
                it.finish()
            except AssertionError as harm:
                return [str(harm)]
            if not environment:
                self.assertIn("producer recreated", it.log())
            return it.verdict()

    def test_late_copies_of_commits_and_offsets_do_no_harm(self):
        self.assertEqual(self.ride([proxy.END_TXN, proxy.TXN_OFFSET_COMMIT]), [])

    def test_without_the_defence_they_do(self):
        for _ in range(6):  # a ride goes wrong in most cases
            if self.ride([proxy.END_TXN], WEIR_MUTANT="no_resend_defence"):
                return
        self.fail("the proxy did no harm: this test can't see the hole")


if __name__ == "__main__":
    unittest.main()
