# Sourced in the project's directory: locked_tool NAME ENVIRONMENT LOCK installs a tool into an environment of its own,
# anew whenever its lock has changed.
locked_tool() {
    ! cmp -s "$3" "$2/.installed" || return 0
    echo "Installing $1 into $2 …"
    .venv/bin/python -m venv "$2" &&
        "$2/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$3" &&
        cp "$3" "$2/.installed"
}
