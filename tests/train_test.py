"""Training again makes the model that is committed. On another kind of processor the last bits of
its weights may differ, and with them its digest: nothing else does."""

import pathlib
import re
import subprocess
import tempfile
import unittest
import venv

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
SPAM = CHECKOUT / "stages/spam"
ENVIRONMENT = CHECKOUT / "build/venv-train"
# What a processor may move, and how far.
MOVED = {"confidence": 1, "probability": 1e-6}


def rows(file):
    return [line.split("\t") for line in file.read_text().removesuffix("\n").split("\n")]


class TrainTest(unittest.TestCase):
    maxDiff = None

    def test_training_again_makes_the_committed_model(self):
        venv.create(ENVIRONMENT, with_pip=True)
        python = ENVIRONMENT / "bin/python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "-r", SPAM / "requirements.txt"], check=True)
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder)
            subprocess.run([python, SPAM / "train.py", "--out", out,
                            CHECKOUT / "ops/demo-data/comments.jsonl"], check=True)

            again, committed = (
                re.sub("`[0-9a-f]{32}`", "`DIGEST`", (each / "MODEL.md").read_text())
                for each in (out, SPAM))
            self.assertIn("`DIGEST`", again)
            self.assertEqual(again, committed)
            self.assertEqual((out / "model/spam.weights").stat().st_size,
                             (SPAM / "model/spam.weights").stat().st_size)
            for name in ("comments_features.tsv", "hostile_features.tsv"):
                again, committed = rows(out / "model" / name), rows(SPAM / "model" / name)
                self.assertGreater(len(again), 1)
                for column, far in MOVED.items():
                    at = again[0].index(column)
                    for ours, theirs in zip(again[1:], committed[1:], strict=True):
                        self.assertAlmostEqual(float(ours[at]), float(theirs[at]), delta=far)
                        ours[at] = theirs[at] = ""
                self.assertEqual(again, committed)


if __name__ == "__main__":
    unittest.main()
