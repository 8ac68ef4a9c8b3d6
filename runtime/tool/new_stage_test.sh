#!/usr/bin/env bash
# A stage outside of the tree: weir is installed, `weir new stage` writes a project, that is built
# against the installation, and its tests pass.
#
#   new_stage_test.sh BUILD_FOLDER SOURCE_FOLDER CXX_COMPILER [CXX_FLAG...]
set -euo pipefail
build=$1 source=$2 compiler=$3
flags=${*:4}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/weir-new-stage.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cmake --install "$build" --prefix "$scratch/weir" >/dev/null
export PATH=$scratch/weir/bin:$PATH
cd "$scratch"
weir new stage shout --out-of-tree shout
cmake -S shout -B shout/build -G Ninja --log-level=NOTICE -DCMAKE_PREFIX_PATH="$scratch/weir" \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="$flags" \
  -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld
cmake --build shout/build
ctest --test-dir shout/build --output-on-failure --no-tests=error
shout/build/shout lint shout/config/shout.yaml

if grep -rlF "$source/" weir/lib/cmake weir/include; then
  echo "the installation points into the source tree" >&2
  exit 1
fi
