#!/usr/bin/env bash
# What is installed is enough to run: from share/weir and with nothing of the source tree, ingest and
# spam judge comments by their own files, a source that nobody knew of needs two files more, and the
# licences are there.
#
#   install_test.sh BUILD_FOLDER COMMENTS
set -euo pipefail
build=$1 comments=$2
scratch=$(mktemp -d "${TMPDIR:-/tmp}/weir-install.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cmake --install "$build" --prefix "$scratch" >/dev/null
cd "$scratch/share/weir"
../../bin/ingest try config/ingest-comments.yaml "$comments" --output json |
  ../../bin/spam try config/spam.yaml - | tee "$scratch/judged" | tail -n 1
grep -q model_version "$scratch/judged"
test -s ../doc/weir/LICENSE
test -s ../doc/weir/NOTICE

mkdir -p proto/sensors/v1
cat >proto/sensors/v1/reading.proto <<'END'
syntax = "proto3";
package sensors.v1;
import "google/protobuf/timestamp.proto";
message Reading {
  string sensor = 1;
  google.protobuf.Timestamp taken_at = 2;
  double celsius = 3;
}
END
cat >config/ingest-readings.yaml <<'END'
stage: ingest
name: readings
inputs:
  events:
    topic: raw.readings
    message: sensors.v1.Reading
    event_time: {field: taken_at, from: at, format: epoch_s}
    dedup: {key: [sensor, at], window: 1h}
outputs:
  events: {dataset: readings}
END
../../bin/ingest try config/ingest-readings.yaml - --output json \
  >"$scratch/readings" 2>"$scratch/said" <<'END'
{"sensor": "a", "at": 1442018818, "celsius": 21.5}
{"sensor": "a", "at": 1442018818, "celsius": 21.5}
{"sensor": "a", "at": "noon"}
END
diff - "$scratch/readings" <<'END'
{"sensor":"a","celsius":21.5,"taken_at":"2015-09-12T00:46:58Z"}
END
tail -n 1 "$scratch/said" | diff - <(
  echo "in 3  events 1  duplicates 1  dropped 0  dead letters 1 (bad_event_time 1)")
