"""A broker that wants to know who asks: the right password works, a wrong one ends everything at
once, with 77 and the reason."""

import os
import subprocess
import tempfile
import time
import unittest

import lab

PASSWORD = "right-horse"
# Of the clients' listener only: what brokers say among themselves, and the judge hears, is plain.
PROPERTIES = f"""
listener.security.protocol.map=CLIENT:SASL_PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
listener.name.client.sasl.enabled.mechanisms=PLAIN
listener.name.client.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_weir="{PASSWORD}";
"""
UNAUTHORISED = 77


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no broker of our own")
class AuthTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(PROPERTIES)
            file.flush()
            cls.broker = lab.OwnBroker(cls.addClassCleanup, "--properties", file.name)

    def deployment(self, password, seed):
        return lab.Lab(self.broker.broker_address(), seed, lanes=1,
                       bootstrap_servers=self.broker.address, security_protocol="SASL_PLAINTEXT",
                       sasl_mechanisms="PLAIN", sasl_username="weir", sasl_password=password)

    def test_with_the_right_password_a_stage_runs_and_says_how_it_tells_topics_apart(self):
        with self.deployment(PASSWORD, seed=61) as it:
            it.produce(300)
            it.finish()
            self.assertEqual(it.verdict(), [], it.log()[-3000:])
            self.assertEqual(it.log().count("topics are told apart by partition count"), 1)

    def test_with_a_wrong_password_all_end_at_once_with_77_and_say_why(self):
        with self.deployment("wrong-horse", seed=62) as it:
            weir = lab.BIN / "weir"
            kafka = [word for name, value in it.kafka.items() if name.startswith(("sasl", "secur"))
                     for word in ("--kafka", f"{name}={value}")]
            lines = it.directory / "lines"
            lines.write_text('{"comment_id": "c1"}\n')
            for command in (
                    [lab.BIN / "ingest", "run", it.config],
                    [weir, "tap", it.raw, *kafka, "--bootstrap", self.broker.address],
                    [weir, "topics", "apply", it.config],
                    [weir, "produce", "--topic", it.raw, "--key", "comment_id", *kafka,
                     "--bootstrap", self.broker.address, lines]):
                with self.subTest(command=command[:2]):
                    began = time.monotonic()
                    done = subprocess.run(command, cwd=it.directory, capture_output=True,
                                          text=True, timeout=90)
                    self.assertEqual(done.returncode, UNAUTHORISED, done.stderr[-3000:])
                    self.assertLess(time.monotonic() - began, 20)
                    last = done.stderr.splitlines()[-1]
                    self.assertIn("Authentication failed", last)
                    self.assertIn(f"bootstrap.servers {self.broker.address}", last)
                    self.assertIn("sasl.username", last)
                    self.assertNotIn("wrong-horse", done.stderr)


if __name__ == "__main__":
    unittest.main()
