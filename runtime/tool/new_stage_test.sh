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
weir new stage shout --out-of-tree shout 2>steps
# What it says to do next, as it is typed there.
step() {
  (cd shout && eval "$(sed -n "s/^$1: //p" ../steps)")
}
export CXX=$compiler CXXFLAGS=$flags LDFLAGS=-fuse-ld=lld CMAKE_GENERATOR=Ninja
export CMAKE_CXX_COMPILER_LAUNCHER=ccache CTEST_OUTPUT_ON_FAILURE=1
step "build it and run its tests"
ctest --test-dir shout/build -N | grep "Total Tests: [1-9]"
step "try it" | grep '{"text":"hello, Ada"}'
shout/build/shout lint shout/config/shout.yaml

if grep -rlF "$source/" weir/lib/cmake weir/include; then
  echo "the installation points into the source tree" >&2
  exit 1
fi
