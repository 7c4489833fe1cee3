"""The `turnstone` command; it starts the parts as subprocesses and never imports them."""
