"""The sources' own times, as they are in the real files: absent, without a zone, weeks ahead, in
reverse. Each line has the outcome that Python counts from the file, and the time that it reads
there; none decides what a duplicate is."""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parent / "faults"))
import lab  # noqa: E402
import recount  # noqa: E402

COMMENTS = list(recount.lines(lab.CHECKOUT / "ops/demo-data/comments.jsonl"))
EDITS = list(recount.lines(lab.CHECKOUT / "ops/demo-data/edits.jsonl.gz"))
UTC = datetime.timezone.utc
DUPLICATE = "duplicate"


class Source:
    """Lines of one kind, as Python and as `ingest try` read them."""

    def __init__(self, config, key, time, time_of_event):
        self.config, self.key, self.time, self.time_of_event = config, key, time, time_of_event

    def expected(self, lines, zone=UTC):
        """Per line: the id and its time, None where there is none, or that it is a duplicate."""
        seen, outcomes = set(), []
        for record in map(json.loads, lines):
            id_of_record = tuple(record[field] for field in self.key)
            outcomes.append(DUPLICATE if id_of_record in seen else
                            (id_of_record, instant(record[self.time], zone)))
            seen.add(id_of_record)
        return outcomes

    def outcomes(self, lines, **environment):
        """The same of the stage; of a dead letter what it says."""
        done = subprocess.run([lab.BIN / "ingest", "try", self.config, "-"], check=True,
                              input=b"\n".join(lines), capture_output=True, cwd=lab.CHECKOUT,
                              env={**os.environ, **environment})
        outcomes = []
        for said in done.stdout.decode().splitlines()[:-1]:
            number, outcome = re.fullmatch(r" *(\d+)  (.*)", said).groups()
            assert int(number) == len(outcomes) + 1, f"line {len(outcomes) + 1} has none: {said}"
            if outcome.startswith("events: "):
                event = json.loads(outcome.removeprefix("events: "))
                outcome = (tuple(event[field] for field in self.key),
                           instant(event.get(self.time_of_event)))
            outcomes.append(outcome)
        return outcomes


def instant(text, zone=UTC):
    time = text and datetime.datetime.fromisoformat(text)
    return time.replace(tzinfo=time.tzinfo or zone) if time else None


Comments = Source("config/ingest-comments.yaml", ["comment_id"], "date", "posted_at")
Edits = Source("config/ingest-edits.yaml", ["time", "user", "page"], "time", "edited_at")


class EventTimesTest(unittest.TestCase):
    def assert_same(self, outcomes, expected):
        self.assertEqual(len(outcomes), len(expected))
        wrong = [(line, got, want)
                 for line, (got, want) in enumerate(zip(outcomes, expected), 1) if got != want]
        self.assertEqual(wrong[:3], [], f"{len(wrong)} of {len(expected)}")

    def test_comments_without_a_date_are_events_without_a_time(self):
        dates = [json.loads(line)["date"] for line in COMMENTS]
        self.assertEqual(dates.count(None), 245)
        self.assert_same(Comments.outcomes(COMMENTS), Comments.expected(COMMENTS))

    def test_dates_without_a_zone_are_in_the_declared_one(self):
        zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
        self.assert_same(
            Comments.outcomes(COMMENTS, WEIR__INPUTS__EVENTS__EVENT_TIME__ZONE="+05:30"),
            Comments.expected(COMMENTS, zone))

    # In the window of 24 h by Kafka's clock. By their own times the first would be forgotten.
    def test_edits_weeks_ahead_are_events_and_found_again(self):
        times = [instant(json.loads(line)["time"]) for line in EDITS]
        first, rest = times[:45], times[45:]
        ahead = [time for time in first if time > max(rest)]
        self.assertEqual((len(ahead), ahead), (41, sorted(ahead)))
        self.assertGreater(ahead[-1] - max(rest), datetime.timedelta(weeks=7))
        lines = EDITS[:1000] + EDITS[:45]
        expected = Edits.expected(lines)
        self.assertEqual(expected[-45:], [DUPLICATE] * 45)
        self.assert_same(Edits.outcomes(lines), expected)

    def test_edits_in_reverse_are_the_same_events(self):
        reverse = EDITS[::-1]
        outcomes = Edits.outcomes(reverse + EDITS)
        self.assert_same(outcomes, Edits.expected(reverse + EDITS))
        self.assert_same(outcomes[:len(EDITS)][::-1], Edits.expected(EDITS))


if __name__ == "__main__":
    unittest.main()
