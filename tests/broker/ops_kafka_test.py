"""ops/kafka: what it promises of a broker's life, and what it says when it cannot."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no broker of our own")
class OpsKafkaTest(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="ops-kafka."))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)

    def run_command(self, *arguments, directory, code=0, **environment):
        command = [CHECKOUT / "ops/kafka", *map(str, arguments), "--dir", self.scratch / directory]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, **environment})
        self.assertEqual(done.returncode, code, done.stderr)
        if arguments[0] == "start" and code == 0:
            self.addCleanup(subprocess.run, [CHECKOUT / "ops/kafka", "stop", "--dir",
                                             self.scratch / directory], capture_output=True)
        return done

    def record(self, directory):
        return json.loads((self.scratch / directory / "broker.json").read_text())

    def life_of(self, version):
        first = self.run_command("start", "--version", version, directory="a").stdout
        self.assertRegex(first, r"\Abootstrap=127\.0\.0\.1:\d+\n\Z")
        self.assertEqual(self.run_command("start", directory="a").stdout, first)
        self.assertTrue(self.run_command("status", directory="a").stdout.endswith(first))
        before = self.record("a")

        self.run_command("kill", directory="a")
        self.run_command("status", directory="a", code=69)
        self.run_command("kill", directory="a", code=69)
        self.assertEqual(self.run_command("start", directory="a").stdout, first)
        after = self.record("a")
        self.assertNotEqual(after["pid"], before["pid"])
        self.assertEqual({**after, "pid": 0}, {**before, "pid": 0})

        self.run_command("stop", "--keep", directory="a")
        self.run_command("status", directory="a", code=69)
        self.assertEqual(self.run_command("start", directory="a").stdout, first)
        log = self.run_command("log", directory="a").stdout
        self.assertEqual(log.count(f"Kafka version: {version}"), 3)

        pid = self.record("a")["pid"]
        self.run_command("stop", directory="a")
        self.assertFalse((self.scratch / "a").exists())
        with contextlib.suppress(FileNotFoundError):  # dead, and perhaps not yet reaped
            self.assertEqual(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes(), b"")

    def test_the_default_version_starts_resumes_after_a_kill_and_leaves_nothing(self):
        self.life_of("4.3.1")

    def test_the_older_version_does_too(self):
        self.life_of("3.9.1")

    def test_brokers_in_different_directories_run_side_by_side(self):
        one = self.run_command("start", directory="a").stdout
        other = self.run_command("start", "--version", "3.9.1", directory="b").stdout
        self.assertNotEqual(one, other)
        self.assertIn("version=4.3.1", self.run_command("status", directory="a").stdout)
        self.assertIn("version=3.9.1", self.run_command("status", directory="b").stdout)
        said = self.run_command("start", "--version", "3.9.1", directory="a", code=64).stderr
        self.assertIn("has version 4.3.1, not 3.9.1", said)

    def test_three_nodes_make_a_cluster_of_which_each_can_be_killed_and_resumed(self):
        first = self.run_command("start", "--nodes", "3", directory="a").stdout
        self.assertRegex(first, r"\Abootstrap=(127\.0\.0\.1:\d+,){2}127\.0\.0\.1:\d+\n\Z")
        clusters = {self.record(f"a/{node}")["cluster_id"] for node in (1, 2, 3)}
        self.assertEqual(len(clusters), 1)

        self.run_command("kill", directory="a/2")
        self.assertIn(str(self.scratch / "a/2"),
                      self.run_command("status", directory="a", code=69).stderr)
        port = self.record("a/2")["port"]
        self.assertEqual(self.run_command("start", directory="a/2").stdout,
                         f"bootstrap=127.0.0.1:{port}\n")
        self.assertTrue(self.run_command("status", directory="a").stdout.endswith(first))

        self.run_command("kill", directory="a")
        self.run_command("kill", directory="a", code=69)
        self.assertEqual(self.run_command("start", directory="a").stdout, first)

        said = self.run_command("start", "--nodes", "1", directory="a", code=64).stderr
        self.assertIn("has nodes 3, not 1", said)
        self.run_command("stop", directory="a")
        self.assertFalse((self.scratch / "a").exists())

    def test_a_stopped_process_is_called_so_with_the_way_to_go_on(self):
        self.run_command("start", directory="a")
        pid = self.record("a")["pid"]
        os.kill(pid, signal.SIGSTOP)
        self.assertIn(f"is stopped: kill -CONT {pid}\n",
                      self.run_command("status", directory="a", code=69).stderr)
        os.kill(pid, signal.SIGCONT)
        self.run_command("status", directory="a")

    def test_a_process_id_that_another_program_has_now_is_not_taken_for_the_broker(self):
        self.run_command("start", directory="a")
        self.run_command("kill", directory="a")
        (self.scratch / "a/broker.json").write_text(
            json.dumps({**self.record("a"), "pid": os.getpid()}))
        self.run_command("status", directory="a", code=69)
        self.run_command("stop", directory="a")  # would end this test

    def test_a_taken_port_is_named_and_nothing_stays(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            said = self.run_command("start", "--port", port, directory="a", code=78).stderr
        self.assertIn(f"port {port} is taken", said)
        self.assertFalse((self.scratch / "a").exists())

    def test_a_directory_with_other_things_in_it_is_left_alone(self):
        (self.scratch / "a").mkdir()
        (self.scratch / "a/letter").write_text("dear")
        self.run_command("start", directory="a", code=64)
        self.run_command("stop", directory="a", code=64)
        self.assertEqual((self.scratch / "a/letter").read_text(), "dear")

    def test_a_changed_jar_is_named_and_not_used(self):
        mine = self.scratch / "cache/weir/kafka-4.3.1"
        shutil.copytree(CACHE / "weir/kafka-4.3.1", mine)
        jar = mine / "kafka_2.13-4.3.1.jar"
        jar.write_bytes(jar.read_bytes() + b"x")
        said = self.run_command("start", directory="b", code=65,
                                XDG_CACHE_HOME=str(self.scratch / "cache")).stderr
        self.assertIn(f"{jar} has SHA-256", said)
        self.assertFalse((self.scratch / "b").exists())

    def test_without_java_it_says_what_installs_it(self):
        tools = self.scratch / "bin"
        tools.mkdir()
        for name in ("env", "bash", "dirname", "readlink"):
            (tools / name).symlink_to(shutil.which(name))
        said = self.run_command("start", directory="a", code=78, PATH=str(tools)).stderr
        self.assertIn("ops/setup", said)

    def test_a_broker_of_somebody_elses_is_named_and_nothing_is_started(self):
        with socket.create_server(("127.0.0.1", 0)) as far:
            address = f"127.0.0.1:1,127.0.0.1:{far.getsockname()[1]}"
            done = self.run_command("start", directory="a", WEIR_BOOTSTRAP=address)
        self.assertEqual(done.stdout, f"bootstrap={address}\n")
        said = self.run_command("start", directory="a", code=69, WEIR_BOOTSTRAP=address).stderr
        self.assertIn(f"{address}, and nothing answers there; unset WEIR_BOOTSTRAP", said)
        self.assertFalse((self.scratch / "a").exists())

    def test_a_wrong_command_line_is_64(self):
        for wrong in ("begin", "start --port x", "start --version 1", "start --nodes 2",
                      "start --nodes 3 --port 9092", "stop -q"):
            self.run_command(*wrong.split(), directory="a", code=64)


if __name__ == "__main__":
    unittest.main()
