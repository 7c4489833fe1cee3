"""Measurements of a whole Turnstone: its own model server, its own client, one scenario a module. See README.md."""
