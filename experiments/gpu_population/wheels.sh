#!/usr/bin/env bash
# Makes the folder `wheels` beside this file: what a GPU machine lacked that had JAX, Flax, Optax, Orbax and the usual
# scientific packages, and this project itself. There, without a network:
#
#   pip install --no-index --no-deps experiments/gpu_population/wheels/*.whl
#
# PYTHON is the interpreter whose pip is asked (default: python3), TARGET the version of Python on the GPU machine, for
# which one of the wheels is compiled (default: 3.12).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
wheels=experiments/gpu_population/wheels
python=${PYTHON:-python3}
"$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version "${TARGET:-3.12}" --dest "$wheels" \
  -c requirements.txt gpjax ml_collections beartype paramax importlib_resources flatbuffers \
  moocore cffi pycparser platformdirs
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$wheels" .
