#!/bin/sh
# The Open Responses compliance suite against a Turnstone of its own, with the demo upstream unless another is set.
# ops/compliance.sh CHECKOUT [OPTION …]: CHECKOUT is of github.com/openresponses/openresponses, `bun install` done in
# it; MODEL is the model to ask for; options go to the suite. Needs .venv (make install), bun and curl.
set -eu
SUITE=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
command -v bun >/dev/null || { echo "The suite needs bun: https://bun.sh"; exit 1; }

. ops/own_stack.sh

cd "$SUITE"
bun run bin/compliance-test.ts --base-url "http://127.0.0.1:$PORT/v1" --api-key none --model "${MODEL:-turnstone-demo}" "$@"
