#!/usr/bin/env bash
# ops/setup says what it installs, and while that takes long how far it is: with an apt-get that waits
# to be reported, and nothing of this machine touched.
#
#   setup_test.sh SOURCE_FOLDER
set -euo pipefail
source=$1
scratch=$(mktemp -d "${TMPDIR:-/tmp}/weir-setup.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
mkdir -p bin ops tests build/venv/bin
cp "$source/ops/setup" ops
cp "$source/tests/requirements.txt" tests
# Python's packages are there.
cp tests/requirements.txt build/venv/installed.txt
touch build/venv/bin/python3
chmod +x build/venv/bin/python3

stub() {
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"bin/$1"
  chmod +x "bin/$1"
}
export SCRATCH=$scratch PATH=$scratch/bin:$PATH
# shellcheck disable=SC2016  # for the stubs to expand
{
  # Nothing is installed, then all: what ops/setup asks for comes behind "-f FORMAT".
  stub dpkg-query '
    [ -e "$SCRATCH/installed" ] || exit 1
    printf "installed=%s " "${@:4}"'
  stub apt-get '
    case " $* " in
      *" update "*) ;;
      *" --simulate "*) printf "Inst %s\n" git cmake libc6-dev ;;
      *" --download-only "*) printf "Get:1 git\n" ;;
      *)
        printf "Setting up %s\n" git cmake
        for ((i = 0; i < 600; i++)); do
          ! grep -q "unpacked or set up 2 of 6" "$SCRATCH/said" || break
          sleep 0.1
        done
        touch "$SCRATCH/installed"
        ;;
    esac'
  stub sudo 'while [[ $1 == -* ]]; do [ "$1" != -u ] || shift; shift; done; "$@"'
}
# What keeps a service from starting is not for here.
stub tee 'cat >/dev/null'
for command in systemctl chmod; do stub $command true; done

if ops/setup --check; then exit 1; fi
ops/setup 2>said
cat said
grep "Debian packages are missing: g++ clang" said
grep "downloading 3 packages" said
grep "unpacked or set up 2 of 6" said
grep -F "$PWD/build/setup.log" said
ops/setup --check
rm build/setup.log
ops/setup 2>&1 | grep "everything is there"
test ! -e build/setup.log
