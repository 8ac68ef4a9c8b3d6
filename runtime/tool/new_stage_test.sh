#!/usr/bin/env bash
# What `weir new stage` writes is built, and its tests pass: outside of the tree, as a project of its
# own against an installed weir, and in the tree, by all that README's table has to type.
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

weir new stage --help | grep -- "--out-of-tree DIR"
weir new stage shout --out-of-tree shout >wrote 2>steps
grep -x "wrote shout/shout.cc" wrote
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

# The tree's own presets and lists of stages and messages, but with this build's compiler; the runtime
# is the installed one: compiling it again takes minutes.
mkdir -p tree/docs
(cd "$source" && cp --parents stages/CMakeLists.txt proto/CMakeLists.txt \
  runtime/cmake/weir_stage.cmake "$scratch/tree")
(cd tree/docs && weir new stage shout)
# Neither over what is there nor anywhere else.
for place in tree .; do
  code=0
  (cd $place && weir new stage shout) || code=$?
  test $code = 64
done
test ! -e stages
cd tree
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(tree LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
enable_testing()
find_package(weir REQUIRED)
add_subdirectory(proto)
add_subdirectory(stages)
END
sed "s|\"g++\"|\"$compiler\"|" "$source/CMakePresets.json" >CMakePresets.json
export CMAKE_PREFIX_PATH=$scratch/weir
# The commands in the row of README's table that begins with these words, one a line.
commands() {
  sed -n "s/^| $1[^|]* | \(\`.*\)/\1/p" "$source/README.md" | grep -o '`[^`]*`' | grep ' ' |
    sed 's/`//g; s/\\|/|/g'
}
readme() {
  bash -euxo pipefail -c "$(commands "$1")"
}
readme "build it"
readme "try it" | tee said
grep -q "hello, Ada" said
readme "test it"

# The rest needs a broker, and its topics have names that somebody's may have, too.
if [ -z "${WEIR_BOOTSTRAP:-}" ]; then
  mkdir ops
  ln -s "$scratch/weir/bin/weir" ops/weir
  export WEIR_KAFKA_DIR=$scratch/kafka
  trap 'kill $(jobs -p) 2>/dev/null || true; "$source/ops/kafka" stop; rm -rf "$scratch"' EXIT
  WEIR_BOOTSTRAP=$("$source/ops/kafka" start | sed -n 's/^bootstrap=//p')
  export WEIR_BOOTSTRAP
  bash -euxc "$(commands "run it")" &
  # At first the topics aren't there yet, then what was greeted isn't; the id is one record.
  for _ in $(seq 600); do
    kill -0 $!
    readme "feed it" | tee said || continue
    if grep "hello, Ada" said; then break; fi
  done
  test "$(grep -c "hello, Ada" said)" = 1
  kill $!
  wait $!
else
  echo "skipped, as WEIR_BOOTSTRAP is set: README's rows that run and feed the stage"
fi
cd ..

if grep -rlF "$source/" weir/lib/cmake weir/include; then
  echo "the installation points into the source tree" >&2
  exit 1
fi
