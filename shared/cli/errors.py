"""What makes a command end with a sentence and exit code 1 instead of a traceback."""


class CommandError(Exception):
    """The command cannot do what was asked; the message says why and what to do."""
