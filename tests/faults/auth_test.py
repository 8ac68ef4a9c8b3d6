"""A broker that wants to know who asks, over TLS: the right password works, a wrong one ends
everything at once, with 77 and the reason. A certificate that isn't trusted is waited for, and that
is said: it may be the broker's to mend."""

import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import lab

PASSWORD = "right-horse"
# Of the clients' listener only: what brokers say among themselves, and the judge hears, is plain.
PROPERTIES = """
listener.security.protocol.map=CLIENT:SASL_SSL,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
listener.name.client.sasl.enabled.mechanisms=PLAIN
listener.name.client.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_weir="{password}";
listener.name.client.ssl.keystore.type=PKCS12
listener.name.client.ssl.keystore.location={keystore}
listener.name.client.ssl.keystore.password={password}
"""
UNREACHABLE, UNAUTHORISED, CONFIG = 69, 77, 78


def certificate(directory, name):
    """Of 127.0.0.1, signed by itself: NAME.pem for who trusts it, and the broker's NAME.p12."""
    store = directory / f"{name}.p12"
    keytool = ["keytool", "-storetype", "PKCS12", "-keystore", store, "-storepass", PASSWORD,
               "-alias", name]
    subprocess.run([*keytool, "-genkeypair", "-keyalg", "RSA", "-dname", f"CN={name}",
                    "-ext", "SAN=IP:127.0.0.1"], check=True, capture_output=True)
    subprocess.run([*keytool, "-exportcert", "-rfc", "-file", directory / f"{name}.pem"],
                   check=True, capture_output=True)
    return directory / f"{name}.pem"


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no broker of our own")
class AuthTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="weir-auth.")
        cls.addClassCleanup(directory.cleanup)
        cls.certificate, cls.other = (
            certificate(pathlib.Path(directory.name), name) for name in ("broker", "other"))
        file = pathlib.Path(directory.name, "properties")
        file.write_text(PROPERTIES.format(password=PASSWORD,
                                          keystore=cls.certificate.with_suffix(".p12")))
        cls.broker = lab.OwnBroker(cls.addClassCleanup, "--properties", file)

    def deployment(self, seed, password=PASSWORD, trusted=None, **settings):
        return lab.Lab(self.broker.broker_address(), seed, lanes=1, **{
            "bootstrap_servers": self.broker.address, "security_protocol": "SASL_SSL",
            "ssl_ca_location": trusted or self.certificate, "sasl_mechanisms": "PLAIN",
            "sasl_username": "weir", "sasl_password": password, **settings})

    def test_with_the_right_password_a_stage_runs_and_says_how_it_tells_topics_apart(self):
        with self.deployment(seed=61) as it:
            it.produce(300)
            it.finish()
            self.assertEqual(it.verdict(), [], it.log()[-3000:])
            self.assertEqual(it.log().count("topics are told apart by partition count"), 1)

    def test_with_a_wrong_password_all_end_at_once_with_77_and_say_why(self):
        with self.deployment(seed=62, password="wrong-horse") as it:
            weir = lab.BIN / "weir"
            kafka = [word for name, value in it.kafka.items()
                     if name.startswith(("sasl", "security", "ssl"))
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

    def test_a_listener_that_takes_no_sasl_or_another_is_not_taken_for_a_wrong_password(self):
        plain = self.broker.broker_address()
        for settings, says in (
                ({"bootstrap_servers": plain, "security_protocol": "SASL_PLAINTEXT"},
                 f"bootstrap.servers {plain} ask for no SASL"),
                ({"sasl_mechanisms": "SCRAM-SHA-256"}, "supported mechanisms: PLAIN")):
            with self.subTest(says), self.deployment(seed=64, **settings) as it:
                process = it.start()
                self.assertEqual(process.wait(60), CONFIG, it.log()[-3000:])
                last = it.log().splitlines()[-1]
                self.assertIn(says, last)
                self.assertNotIn("credentials", last)

    def test_a_broker_whose_certificate_is_not_trusted_is_waited_for_and_that_is_said(self):
        with self.deployment(seed=63, trusted=self.other) as it:
            process = it.start("--wait", "3")
            self.assertEqual(process.wait(60), UNREACHABLE, it.log()[-3000:])
            last = it.log().splitlines()[-1]
            self.assertIn("certificate verify failed", last)
            self.assertIn("ssl.ca.location", last)


if __name__ == "__main__":
    unittest.main()
