#!/usr/bin/env bash
# What is installed is enough to run: from share/weir and with nothing of the source tree, ingest and
# spam judge comments by their own files, and the licences are there.
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
