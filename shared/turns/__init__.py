"""What API and workers both do to a turn: hold its lease, end it, sweep up after the lost ones."""
