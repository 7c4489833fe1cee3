"""`turnstone doctor`: one line per part, and what to do where something is wrong."""

from shared.settings import Settings


def run(settings: Settings) -> bool:
    """Print what was found; true when nothing is wrong."""
    return bool(settings)
