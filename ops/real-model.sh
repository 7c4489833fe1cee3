#!/bin/sh
# The demo's account on a real inference server, `transformers serve`, with a tiny model made on the spot.
# Needs .venv (make install). The first run downloads a few hundred MB into .venv-real-model; no model is downloaded.
set -eu
cd "$(dirname "$0")/.."

ENVIRONMENT=.venv-real-model
LOCK=requirements/real-model.txt
TORCH=torch==2.13.0
PIP="$ENVIRONMENT/bin/python -m pip install --quiet --disable-pip-version-check"

if ! cmp -s "$LOCK" "$ENVIRONMENT/.installed"; then
    echo "Installing transformers and torch into $ENVIRONMENT …"
    .venv/bin/python -m venv "$ENVIRONMENT"
    $PIP --require-hashes --no-deps -r "$LOCK"
    $PIP "$TORCH"
    cp "$LOCK" "$ENVIRONMENT/.installed"
fi

exec .venv/bin/python -m ops.real_model.run "$ENVIRONMENT/bin"
