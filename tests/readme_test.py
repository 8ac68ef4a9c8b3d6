"""README's commands work as they stand: the blocks fenced with sh are run, in their order, beside a
broker, in a fresh clone that is lent the programs of this build. Compiling, installing, a new
stage, the demo and the tests are for others: gate.release, install_test, new_stage_test, gate.demo,
and whatever runs this. What README shows as output or code has other fences."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parent / "faults"))
import lab  # noqa: E402

CHECKOUT, BIN = lab.CHECKOUT, lab.BIN

# Run with what is behind it instead.
SUBSTITUTED = {"ops/demo": "ops/demo --help", "ops/test": "ops/test --help"}

# Commands that a person types one after the other: before the one behind a service, that is ready.
PRELUDE = r"""
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
await_ready() {
  for _ in $(seq 600); do
    if [[ $(ops/weir status 2>/dev/null) =~ running\ +yes ]]; then return; fi
    kill -0 $! || { echo "ended: $1"; exit 1; }
    sleep 0.1
  done
  echo "not ready: $1"; exit 1
}
set -x
"""


def blocks(text):
    """(language, content) of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no broker of our own")
class ReadmeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not (CHECKOUT / ".git").exists():
            raise unittest.SkipTest(f"{CHECKOUT} is no git checkout: nothing to clone")
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix="weir-readme."))
        cls.addClassCleanup(shutil.rmtree, cls.scratch, ignore_errors=True)
        cls.clone = cls.scratch / "weir"
        subprocess.run(["git", "-c", "safe.directory=*", "clone", "--quiet", CHECKOUT, cls.clone],
                       check=True)
        # What ops/demo and ops/test would have built.
        (cls.clone / "build/release").mkdir(parents=True)
        (cls.clone / "build/release/bin").symlink_to(BIN)
        (cls.clone / "build/venv").symlink_to(CHECKOUT / "build/venv")
        cls.readme = (cls.clone / "README.md").read_text()
        cls.broker = lab.OwnBroker(cls.addClassCleanup)

    def run_block(self, content):
        lines = []
        for line in content.splitlines():
            command = re.sub(r"\s+#.*", "", line)
            command = SUBSTITUTED.get(command, command)
            lines.append(command)
            if command.endswith("&"):
                lines.append(f"await_ready '{command}'")
        environment = {**os.environ, "WEIR_KAFKA_DIR": str(self.broker.directory),
                       "WEIR_BOOTSTRAP": self.broker.address}
        done = subprocess.run(["bash", "-c", PRELUDE + "\n".join(lines)], cwd=self.clone, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
                              stdin=subprocess.DEVNULL, env=environment)
        self.assertEqual(done.returncode, 0, f"{content}\n{done.stdout[-3000:]}")
        return done.stdout

    def test_its_commands_run_in_their_order_in_a_fresh_clone(self):
        commands = [content for language, content in blocks(self.readme) if language == "sh"]
        self.assertGreaterEqual(len(commands), 3)
        said = "".join(map(self.run_block, commands))
        for what in ("--comments FILE",  # ops/demo
                     "--gates",  # ops/test
                     "events 1,146", "classified 1,146",  # the stages tried over the shipped file
                     "1,148 lines sent", "LZQPQhLyRh80UYxNuaDWhIGQYNQ96IuCg-AYWqNPjpU",
                     "ingest-comments"):
            self.assertIn(what, said)

    def test_its_yaml_is_a_deployment_and_its_code_that_of_the_template(self):
        of = dict(reversed(blocks(self.readme)))
        example = self.clone / "config/hello.yaml"
        example.write_text(of["yaml"])
        subprocess.run([BIN / "hello", "lint", example], check=True, cwd=self.clone,
                       stdout=subprocess.DEVNULL)
        template = (self.clone / "stages/hello/hello.cc").read_text().replace("::hello::v1::", "")
        for line in of["cpp"].splitlines():
            if not line.strip().startswith("//"):
                self.assertIn(line.strip(), template)

    def test_every_block_says_by_its_fence_whether_it_is_run(self):
        for language, content in blocks(self.readme):
            self.assertIn(language, ("", "sh", "cpp", "yaml"))
            if language == "":
                self.assertNotRegex(content, r"(?m)^(ops|build|bench)/\w", "a command not run")

    def test_what_it_links_to_and_names_is_there(self):
        links = re.findall(r"\]\(([^)#:]+)\)", self.readme)
        named = re.findall(r"`((?:ops|config|runtime|stages|bench|tests)/[\w./-]+)", self.readme)
        for path in links + named:
            self.assertTrue((self.clone / path).exists(), path)


if __name__ == "__main__":
    unittest.main()
