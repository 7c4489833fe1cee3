#!/bin/sh
# The Open Responses compliance suite against a Turnstone of its own, with the demo upstream unless another is set.
# ops/compliance.sh CHECKOUT [OPTION …]: CHECKOUT is of github.com/openresponses/openresponses, `bun install` done in
# it; MODEL is the model to ask for; options go to the suite. Needs .venv (make install), bun and curl.
set -eu
SUITE=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
command -v bun >/dev/null || { echo "The suite needs bun: https://bun.sh"; exit 1; }

PORT=$(.venv/bin/python -c 'from shared.cli.listener import free_port; print(free_port())')
DATA=$(mktemp -d)
.venv/bin/turnstone up --port "$PORT" --data-dir "$DATA" >"$DATA/log" 2>&1 &
UP=$!
trap 'kill $UP 2>/dev/null || true; wait $UP || true; rm -rf "$DATA"' EXIT
until curl --silent --fail --output /dev/null "http://127.0.0.1:$PORT/readyz"; do
    kill -0 $UP 2>/dev/null || { cat "$DATA/log"; exit 1; }
    sleep 0.2
done

cd "$SUITE"
bun run bin/compliance-test.ts --base-url "http://127.0.0.1:$PORT/v1" --api-key none --model "${MODEL:-turnstone-demo}" "$@"
