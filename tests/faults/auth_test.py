"""A broker that wants to know who asks, over TLS: the right password works, a wrong one ends
everything at once, with 77 and the reason. A certificate that isn't trusted is waited for, and that
is said: it may be the broker's to mend. Topics are told from others of their names as in plain
text."""

import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from kafka.admin import UserScramCredentialUpsertion

import lab

PASSWORD = "right-horse"
# Of the clients' listener only: what brokers say among themselves, and the judge hears, is plain.
PROPERTIES = """
listener.security.protocol.map=CLIENT:SASL_SSL,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
listener.name.client.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.client.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_weir="{password}";
listener.name.client.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.client.ssl.keystore.type=PKCS12
listener.name.client.ssl.keystore.location={keystore}
listener.name.client.ssl.keystore.password={password}
"""
# Who has no certificate isn't heard there, and needs a password on top. Of Kafka 3: librdkafka
# 2.0.2's SCRAM repeats the nonce, which Kafka 4 refuses.
MUTUAL_VERSION = "3.9.1"
MUTUAL_PROPERTIES = """
listener.security.protocol.map=CLIENT:SASL_SSL,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
listener.name.client.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.client.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.client.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.client.ssl.keystore.type=PKCS12
listener.name.client.ssl.keystore.location={keystore}
listener.name.client.ssl.keystore.password={password}
listener.name.client.ssl.truststore.type=PEM
listener.name.client.ssl.truststore.location={client}
listener.name.client.ssl.client.auth=required
"""
BAD_INPUT, UNREACHABLE, UNAUTHORISED, CONFIG = 65, 69, 77, 78
TOLD_BY_COUNT = "topics are told apart by partition count"


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


def client_certificate(directory):
    """client.pem, and its key under PASSWORD, client.key."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=client",
                    "-days", "2", "-passout", f"pass:{PASSWORD}", "-keyout",
                    directory / "client.key", "-out", directory / "client.pem"],
                   check=True, capture_output=True)
    return directory / "client.pem"


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no broker of our own")
class AuthTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="weir-auth.")
        cls.addClassCleanup(directory.cleanup)
        path = pathlib.Path(directory.name)
        cls.certificate, cls.other = (certificate(path, name) for name in ("broker", "other"))
        cls.client = client_certificate(path)
        cls.broker = cls.start_broker(path / "properties", PROPERTIES)
        cls.mutual = cls.start_broker(path / "mutual_properties", MUTUAL_PROPERTIES,
                                      "--version", MUTUAL_VERSION)
        for broker, mechanism in ((cls.broker, "SCRAM-SHA-512"), (cls.mutual, "SCRAM-SHA-256"),
                                  (cls.mutual, "SCRAM-SHA-512")):
            with lab.administration(broker.broker_address()) as admin:
                refused = admin.alter_user_scram_credentials(
                    [UserScramCredentialUpsertion("weir", mechanism, PASSWORD)])
            assert refused == {"weir": None}, refused

    @classmethod
    def start_broker(cls, file, properties, *options):
        file.write_text(properties.format(password=PASSWORD, client=cls.client,
                                          keystore=cls.certificate.with_suffix(".p12")))
        return lab.OwnBroker(cls.addClassCleanup, "--properties", file, *options)

    def deployment(self, seed, password=PASSWORD, trusted=None, **settings):
        return lab.Lab(self.broker.broker_address(), seed, lanes=1, **{
            "bootstrap_servers": self.broker.address, "security_protocol": "SASL_SSL",
            "ssl_ca_location": trusted or self.certificate, "sasl_mechanisms": "PLAIN",
            "sasl_username": "weir", "sasl_password": password, **settings})

    def mutual_deployment(self, seed, mechanism):
        return lab.Lab(self.mutual.broker_address(), seed, lanes=1, **{
            "bootstrap_servers": self.mutual.address, "security_protocol": "SASL_SSL",
            "ssl_ca_location": self.certificate, "ssl_certificate_location": self.client,
            "ssl_key_location": self.client.with_suffix(".key"), "ssl_key_password": PASSWORD,
            "sasl_mechanisms": mechanism, "sasl_username": "weir", "sasl_password": PASSWORD})

    def test_with_the_right_password_a_stage_runs_and_says_if_it_can_not_tell_topics_apart(self):
        # With the second it is only the client that can say who it is.
        for says, settings in ((0, {}), (1, {"ssl_cipher_suites": "DEFAULT"})):
            with self.subTest(says), self.deployment(seed=61, **settings) as it:
                it.produce(300)
                it.finish()
                self.assertEqual(it.verdict(), [], it.log()[-3000:])
                self.assertEqual(it.log().count(TOLD_BY_COUNT), says)

    def test_an_input_that_is_created_again_and_filled_under_a_running_stage_stops_it(self):
        running = []
        # All at once: the topics are looked at every 30 s.
        with contextlib.ExitStack() as stack:
            for deployment in (self.deployment(65), self.mutual_deployment(66, "SCRAM-SHA-256"),
                               self.mutual_deployment(67, "SCRAM-SHA-512")):
                it = stack.enter_context(deployment)
                it.produce(200)
                process = it.start()
                it.wait_until_processed()
                process.send_signal(signal.SIGSTOP)
                lab.create_again(it)
                it.produce(400)
                process.send_signal(signal.SIGCONT)
                running.append((it, process))
            for it, process in running:
                with self.subTest(it.kafka["sasl.mechanisms"]):
                    self.assertEqual(process.wait(60), BAD_INPUT, it.log()[-3000:])
                    self.assertIn("was deleted and created again: its id was", it.log())
                    self.assertNotIn(TOLD_BY_COUNT, it.log())

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

    def test_scram_at_kafka_4_ends_with_77_and_says_that_it_may_be_the_client(self):
        with self.deployment(seed=68, sasl_mechanisms="SCRAM-SHA-512") as it:
            self.assertEqual(it.start().wait(60), UNAUTHORISED, it.log()[-3000:])
            self.assertIn("Kafka 4, to which librdkafka 2.0.2 can't log in by SCRAM",
                          it.log().splitlines()[-1])

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
