"""`python -m shared.cli`, the same as `turnstone`."""

from shared.cli.main import app

app(prog_name="turnstone")
