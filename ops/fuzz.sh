#!/bin/sh
# Schemathesis, over the OpenAPI document of a Turnstone of its own with the demo upstream: no server error, and no
# answer that the document does not tell of. EXAMPLES is for each operation; options go to `schemathesis run`.
# Needs .venv (make install) and curl; the first run installs Schemathesis into .venv-fuzz.
set -eu
cd "$(dirname "$0")/.."

. ops/locked_tool.sh
locked_tool Schemathesis .venv-fuzz requirements/fuzz.txt
. ops/own_stack.sh

.venv-fuzz/bin/schemathesis run "http://127.0.0.1:$PORT/openapi.json" \
    --phases examples,coverage,fuzzing --max-examples "${EXAMPLES:-100}" --continue-on-failure \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance "$@"
