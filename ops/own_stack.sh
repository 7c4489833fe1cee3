# Sourced in the project's directory: starts a Turnstone of the script's own, with the demo upstream unless another is
# set, on port $PORT; it is stopped, and its data removed, when the script ends.
PORT=$(.venv/bin/python -c 'from shared.cli.listener import free_port; print(free_port())')
DATA=$(mktemp -d)
.venv/bin/turnstone up --port "$PORT" --data-dir "$DATA" >"$DATA/log" 2>&1 &
UP=$!
trap 'kill $UP 2>/dev/null || true; wait $UP || true; rm -rf "$DATA"' EXIT
until curl --silent --fail --output /dev/null "http://127.0.0.1:$PORT/readyz"; do
    kill -0 $UP 2>/dev/null || { cat "$DATA/log"; exit 1; }
    sleep 0.2
done
