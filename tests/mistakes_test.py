"""The mistakes that people make in a deployment's file, and the exact words that answer them: each
NAME.yaml of mistakes/, as the program reads it that NAME begins with, has its NAME.txt."""

import os
import pathlib
import re
import subprocess
import unittest

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = pathlib.Path("tests/mistakes")
BIN = pathlib.Path(os.environ.get("WEIR_BIN", CHECKOUT / "build/dev/bin"))
# Without what would override a file.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("WEIR_")}


def lint(name):
    """The exit code, and what is said, without the folder."""
    done = subprocess.run([BIN / re.match("[a-z]+", name)[0], "lint", FOLDER / f"{name}.yaml"],
                          cwd=CHECKOUT, env=ENVIRONMENT, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.replace(f"{FOLDER}/", "")


class MistakesTest(unittest.TestCase):
    maxDiff = None

    def test_they_are_answered_in_these_words(self):
        names = sorted({path.stem for path in (CHECKOUT / FOLDER).iterdir()})
        self.assertGreaterEqual(len(names), 30)
        for name in names:
            with self.subTest(name):
                code, said = lint(name)
                self.assertEqual(said, (CHECKOUT / FOLDER / f"{name}.txt").read_text())
                self.assertEqual(code, 0 if said.startswith("ok: ") else 78)


if __name__ == "__main__":
    unittest.main()
