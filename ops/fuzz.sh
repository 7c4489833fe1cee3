#!/bin/sh
# Schemathesis, over the OpenAPI document of a Turnstone of its own with the demo upstream: no server error, and no
# answer that the document does not tell of. EXAMPLES is for each operation; options go to `schemathesis run`.
# Needs .venv (make install) and curl; the first run installs Schemathesis into .venv-fuzz.
set -eu
cd "$(dirname "$0")/.."

ENVIRONMENT=.venv-fuzz
LOCK=requirements/fuzz.txt
if ! cmp -s "$LOCK" "$ENVIRONMENT/.installed"; then
    echo "Installing Schemathesis into $ENVIRONMENT …"
    .venv/bin/python -m venv "$ENVIRONMENT"
    "$ENVIRONMENT/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$LOCK"
    cp "$LOCK" "$ENVIRONMENT/.installed"
fi

PORT=$(.venv/bin/python -c 'from shared.cli.listener import free_port; print(free_port())')
DATA=$(mktemp -d)
.venv/bin/turnstone up --port "$PORT" --data-dir "$DATA" >"$DATA/log" 2>&1 &
UP=$!
trap 'kill $UP 2>/dev/null || true; wait $UP || true; rm -rf "$DATA"' EXIT
until curl --silent --fail --output /dev/null "http://127.0.0.1:$PORT/readyz"; do
    kill -0 $UP 2>/dev/null || { cat "$DATA/log"; exit 1; }
    sleep 0.2
done

"$ENVIRONMENT/bin/schemathesis" run "http://127.0.0.1:$PORT/openapi.json" \
    --phases examples,coverage,fuzzing --max-examples "${EXAMPLES:-100}" --continue-on-failure \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance "$@"
