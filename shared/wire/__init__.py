"""What travels over HTTP, as types; no behaviour."""
