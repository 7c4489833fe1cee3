"""The rules of a turn: values in, values out; no I/O, no clock, no randomness, no await."""
