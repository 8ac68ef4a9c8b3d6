"""A source that nobody knew of when weir was built: two files, and the programs as they are."""

import os
import struct
import subprocess
import unittest

import checker
import lab

PROTO = """syntax = "proto3";
package sensors.v1;
import "google/protobuf/timestamp.proto";
message Reading {
  string sensor = 1;
  google.protobuf.Timestamp taken_at = 2;
  double celsius = 3;
}
"""

RECORDS = """{"sensor": "a", "at": 1442018818, "celsius": 21.5}
{"sensor": "a", "at": 1442018818, "celsius": 21.5}
{"sensor": "b", "at": 1442018819, "celsius": -4.0}
{"sensor": "a", "at": "noon"}
"""


class NewSourceTest(unittest.TestCase):
    def test_a_proto_and_a_yaml_are_all_that_it_needs(self):
        brokers = lab.bootstrap()
        with lab.Site(brokers, seed=1) as it:
            raw, deployment = f"raw.{it.name}", f"ingest-{it.name}"
            (it.directory / "sensors/v1").mkdir(parents=True)
            (it.directory / "sensors/v1/reading.proto").write_text(PROTO)
            config = it.directory / f"{deployment}.yaml"
            config.write_text(f"""stage: ingest
name: {it.name}
inputs:
  events:
    topic: {raw}
    message: sensors.v1.Reading
    event_time: {{field: taken_at, from: at, format: epoch_s}}
    dedup: {{key: [sensor, at], window: 1h}}
outputs:
  events: {{dataset: {it.name}}}
proto: [.]
""")
            for command in (["ingest", "lint", config], ["weir", "topics", "apply", config],
                            ["weir", "produce", "--topic", raw, "--key", "sensor,at", "-"],
                            ["ingest", "run", config, "--until-end"]):
                done = subprocess.run(
                    [lab.BIN / command[0], *command[1:]], cwd=it.directory, input=RECORDS,
                    text=True, capture_output=True, timeout=60,
                    env={**os.environ, "WEIR_BOOTSTRAP": brokers,
                         "WEIR__KAFKA__BOOTSTRAP_SERVERS": brokers})
                self.assertEqual(done.returncode, 0, done.stderr)

            readings = {}
            for records in checker.read(brokers, f"{it.name}.v1").values():
                for record in records:
                    taken_at = checker.wire.fields(checker.bytes_field(record.value, 2))
                    sensor = checker.string_field(record.value, 1)
                    self.assertNotIn(sensor, readings, "each once")
                    readings[sensor] = (taken_at[1][-1],
                                        checker.wire.fields(record.value)[3][-1])
            self.assertEqual(readings, {
                "a": (1442018818, struct.pack("<d", 21.5)),
                "b": (1442018819, struct.pack("<d", -4.0))})
            [dead] = [record for records in
                      checker.read(brokers, f"{deployment}.dead_letters.v1").values()
                      for record in records]
            self.assertEqual(dict(dead.headers)["weir-reason"], b"bad_event_time")


if __name__ == "__main__":
    unittest.main()
