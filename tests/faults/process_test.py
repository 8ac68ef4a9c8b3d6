"""What a process makes of its surroundings: signals, descriptors, readers of its log that go."""

import os
import signal
import unittest

import lab


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


if __name__ == "__main__":
    unittest.main()
