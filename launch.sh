#!/usr/bin/env bash
# Runs a config, or a grid over values of its fields, one point after the other, and compares the results.
#
#   ./launch.sh [--dry-run] [--workdir=DIR] CONFIG[:VARIANT] [FIELD=VALUE,VALUE...]...
#   ./launch.sh configs/quickstart.py seed=0,1,2 surrogate.kernel=rbf,matern52
#   ./launch.sh configs/quickstart.py strategy=bayesopt,evolution     other parts, each with its own defaults
#   ./launch.sh configs/quickstart.py 'space.conv_sizes=(3,5),(3,)'    two values: commas in brackets do not count
#   ./launch.sh configs/benchmark_table.py 'exclude="loss,time"'       one value: nor do those of a value in quotes
#
# Each point has a working directory, such as runs/quickstart/seed=0,surrogate.kernel=rbf; without fields there is
# one, runs/quickstart. The same command again goes on where it stopped.
#
#   --dry-run      prints the commands and runs nothing
#   --workdir=DIR  holds the working directories (default: runs/CONFIG, or runs/CONFIG-VARIANT)
#
# PYTHON is the interpreter (default: the one in the project's environment, else python3).
# Exit code: 0 when all points have finished, 1 when one failed, 2 for bad input, 130 when interrupted, 143 by SIGTERM.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/run.sh" # die, venv, unset_memory_settings

split() { # FIELD TEXT; sets `values`
  local text=$2, value='' depth=0 i char rest
  values=()
  for ((i = 0; i < ${#text}; i++)); do
    char=${text:i:1}
    if [[ $char == '"' && -z $value ]]; then # a value in quotes, which it loses
      rest=${text:i+1}
      value=${rest%%\",*}
      [[ $value != "$rest" ]] || die "$1: quotes do not match in '$2'" 2
      [[ -n $value ]] || die "$1: a value is empty in '$2'" 2
      values+=("$value")
      value=''
      i=$((i + ${#values[-1]} + 2))
      continue
    fi
    case $char in
      [\(\[\{]) depth=$((depth + 1)) ;;
      [\)\]\}]) depth=$((depth - 1)) ;;
    esac
    if [[ $char != , || $depth != 0 ]]; then
      value+=$char
      continue
    fi
    [[ -n $value ]] || die "$1: a value is empty in '$2'" 2
    values+=("$value")
    value=''
  done
  [[ $depth == 0 ]] || die "$1: brackets do not match in '$2'" 2
}

file_name() { # VALUE; (3, 5) becomes 3-5, and other characters that need quoting become _
  sed -e "s/[][(){}\"' ]//g" -e 's/,$//' -e 's/,/-/g' -e 's/[^A-Za-z0-9._+-]/_/g' <<<"$1"
}

each_point() { # FUNCTION INDEX NAME [FLAG...]; calls FUNCTION WORKDIR [FLAG...]; the last field varies fastest
  local call=$1 index=$2 name=$3 field value values
  shift 3
  if ((index < ${#sweeps[@]})); then
    field=${sweeps[index]%%=*}
    split "$field" "${sweeps[index]#*=}"
    for value in "${values[@]}"; do
      each_point "$call" $((index + 1)) "${name:+$name,}$field=$(file_name "$value")" "$@" "--config.$field=$value"
    done
  else
    "$call" "$root${name:+/$name}" "$@"
  fi
}

plan() { # WORKDIR
  local other
  for other in ${workdirs[@]+"${workdirs[@]}"}; do
    [[ $other != "$1" ]] || die "two points of the grid would share the working directory $1" 2
  done
  workdirs+=("$1")
}

run() { # WORKDIR [FLAG...]
  local workdir=$1 code=0
  set -- "$python" -m nas_jax.main "--config=$config" "${@:2}" "--workdir=$workdir"
  if $dry_run; then quote "$@" && return; fi
  started=$((started + 1))
  echo "[$started/${#workdirs[@]}] $workdir" >&2
  finish "$@" || code=$?
  [[ $code != 130 && $code != 143 ]] || die "interrupted; the same command goes on from here" "$code"
  # Bad input of the first point, before it had a working directory, most likely is that of every point; main has said
  # what is wrong.
  [[ $code != 2 || $started != 1 || -e $workdir/config.json ]] || exit 2
  [[ $code == 0 ]] || failed+=("$workdir (exit code $code)")
  # A point that failed early left nothing to compare.
  [[ $code != 0 && ! -e $workdir/config.json ]] || comparable+=("$workdir")
}

finish() { # COMMAND [ARGUMENT...]; waits for it to end, whatever signal comes: Ctrl-C reaches it, SIGTERM is passed on
  local child code=0
  (trap - INT && exec "$@") <&0 &
  child=$!
  trap : INT
  trap 'kill -TERM "$child" 2>/dev/null || true' TERM
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do # a signal had ended the waiting
    code=0
    wait "$child" || code=$?
  done
  trap - INT TERM
  return "$code"
}

quote() { # prints a line for a shell
  local word line='' escaped="'\\''"
  for word; do
    [[ $word =~ ^[A-Za-z0-9_./:=,+@-]+$ ]] || word="'${word//\'/$escaped}'"
    line+=${line:+ }$word
  done
  echo "$line"
}

dry_run=false config='' root='' sweeps=() workdirs=() comparable=() failed=() started=0 fields=''
for argument; do
  case $argument in
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}" && exit ;;
    --dry-run) dry_run=true ;;
    --workdir=?*) root=${argument#*=} ;;
    -*) die "no option $argument; --help lists the options, and fields are written without dashes: seed=0,1" 2 ;;
    *) if [[ -z $config ]]; then config=$argument; else sweeps+=("$argument"); fi ;;
  esac
done
[[ -n $config ]] || die "which config? For example: ./launch.sh configs/quickstart.py seed=0,1,2" 2
[[ -f ${config%%:*} ]] || die "there is no config file ${config%%:*}" 2
for sweep in ${sweeps[@]+"${sweeps[@]}"}; do
  [[ $sweep =~ ^[A-Za-z_][A-Za-z0-9_.]*= ]] || die "'$sweep' is not of the form FIELD=VALUE,VALUE" 2
  [[ " $fields " != *" ${sweep%%=*} "* ]] || die "${sweep%%=*} is given twice; one argument lists all its values" 2
  fields+=" ${sweep%%=*}"
done

python=python3
[[ ! -x $venv/bin/python ]] || python=$venv/bin/python
python=${PYTHON:-$python}
default_root=$(basename "${config%%:*}" .py)
[[ $config != *:* ]] || default_root+=-${config#*:}
root=${root:-runs/$default_root}

each_point plan 0 ''
while read -r setting; do
  if $dry_run; then quote export "$setting"; else export "${setting?}"; fi
done < <(unset_memory_settings)
each_point run 0 ''
if $dry_run; then quote "$python" -m nas_jax.compare "${workdirs[@]}" && exit; fi
[[ ${#comparable[@]} == 0 ]] || "$python" -m nas_jax.compare "${comparable[@]}"
[[ ${#failed[@]} == 0 ]] || die "${#failed[@]} of ${#workdirs[@]} points failed:$(printf '\n  %s' "${failed[@]}")"
