#!/usr/bin/env bash
# Makes the environment where it is missing or out of date, then runs a command in it. Needs bash and Python 3.11+.
#
#   ./run.sh quickstart [flags]    searches on the digits data set; flags go to nas_jax.main
#   ./run.sh test [arguments]      the tests; arguments go to pytest
#   ./run.sh test-next [arguments] the tests with JAX 0.11, in an environment of their own (.venv-next, Python 3.12+)
#   ./run.sh lint                  format, lint and types
#   ./run.sh smoke                 four short searches, from the command line to the table, into a temporary folder
#   ./run.sh setup                 the environment only
#
# PYTHON is the interpreter that makes the environment (default: the first of python3.11 to python3 that is new
# enough), VENV the environment's folder (default: .venv; relative to the project).
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${VENV:-.venv}
[[ $venv == /* ]] || venv=$project/$venv

die() { # MESSAGE [EXIT CODE]
  echo "$(basename "$0"): $1" >&2
  exit "${2:-1}"
}

# XLA on a CPU allocates its temporaries anew at every call, and page faults then bound the training step: these
# keep freed memory in the process and ask for huge pages. They must be set before a process starts. One that the
# user has set stays; on other systems than Linux with glibc they do nothing.
memory_settings=(
  MALLOC_MMAP_MAX_=0
  MALLOC_TRIM_THRESHOLD_=4294967296
  MALLOC_TOP_PAD_=536870912
  GLIBC_TUNABLES=glibc.malloc.hugetlb=1
)

unset_memory_settings() { # prints those that the user has not set, one a line
  local setting name
  for setting in "${memory_settings[@]}"; do
    name=${setting%%=*}
    [[ -n ${!name+set} ]] || echo "$setting"
  done
}

find_python() {
  local python candidates=(python3.11 python3.12 python3.13 python3 python)
  [[ -z ${PYTHON:-} ]] || candidates=("$PYTHON")
  for python in "${candidates[@]}"; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  die "no Python 3.11 or newer: ${candidates[*]} missing or older; set PYTHON to the path of one"
}

# The stamp holds a checksum of what was installed, or "incomplete" from the start of an installation to its end.
setup() {
  local stamp=$venv/.nas_jax wanted found python
  wanted=$(cat "$project/requirements.txt" "$project/pyproject.toml" | cksum)
  found=$(cat "$stamp" 2>/dev/null || true)
  [[ $found != "$wanted" || ! -x $venv/bin/python ]] || return 0

  python=$(find_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    die "$python has no venv module; on Debian or Ubuntu: apt install python3-venv"
  echo "Installing into $venv: about 1.3 GB, a few minutes." >&2
  if [[ $found == incomplete || (-e $venv/pyvenv.cfg && ! -x $venv/bin/python) ]]; then
    "$python" -m venv --clear "$venv" # half made, or its interpreter is gone
  else
    "$python" -m venv "$venv"
  fi
  echo incomplete >"$stamp"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$project/requirements.txt"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -e "$project"
  echo "$wanted" >"$stamp"
}

# gpjax asks for JAX below 0.11, and works with it: pip has to be told so. Flax is the newest, all else as pinned.
setup_next() {
  local python pins
  [[ ! -e $venv/.nas_jax ]] || return 0
  python=$(find_python)
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' ||
    die "JAX 0.11 needs Python 3.12 or newer; set PYTHON to the path of one"
  "$python" -m venv --clear "$venv"
  pins=$(grep -Ev '^(jax|jaxlib|flax|gpjax)==' "$project/requirements.txt")
  "$venv/bin/pip" install --quiet --disable-pip-version-check 'jax>=0.11,<0.12' flax -r <(echo "$pins")
  pins=$(grep -o '^gpjax==[^ ]*' "$project/requirements.txt")
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "$pins" -e "$project"
  touch "$venv/.nas_jax"
}

# Each folder of experiments has scripts that import each other; those of several folders have the same names. What a
# script imports as part of a package is checked with that script.
lint_experiments() {
  local folder
  for folder in experiments/*/; do
    MYPYPATH=$folder:. "$venv/bin/mypy" --explicit-package-bases --exclude gpu_population/images "$folder"
  done
}

main() {
  local command=${1:-} setting
  [[ -n $command ]] && shift
  cd "$project"
  case $command in
    quickstart)
      setup
      while read -r setting; do export "${setting?}"; done < <(unset_memory_settings)
      exec "$venv/bin/python" -m nas_jax.main --config=configs/quickstart.py "$@"
      ;;
    test)
      setup
      # A file's tests share what they have made, so a file stays with one process.
      exec "$venv/bin/python" -m pytest -n auto --maxprocesses=4 --dist=loadfile "$@"
      ;;
    test-next)
      venv=${VENV:-$project/.venv-next}
      setup_next
      exec "$venv/bin/python" -m pytest -n auto --maxprocesses=4 --dist=loadfile "$@"
      ;;
    lint)
      setup
      "$venv/bin/ruff" format --check .
      "$venv/bin/ruff" check .
      "$venv/bin/mypy"
      lint_experiments
      ;;
    smoke)
      setup
      scratch=$(mktemp -d) # not local: the trap runs after the function
      trap 'rm -rf "$scratch"' EXIT
      PYTHON=$venv/bin/python ./launch.sh configs/quickstart.py:smoke --workdir="$scratch/smoke" \
        strategy=one_shot,bayesopt surrogate=random_forest,calibrated search.num_trials=5
      ;;
    setup) setup ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "$project/run.sh" ;;
    *) die "what to run? quickstart, test, test-next, lint, smoke or setup; ./run.sh --help says more" 2 ;;
  esac
}

# launch.sh sources this file for the memory settings.
if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
