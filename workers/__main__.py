"""Celery's command line on our own applications: `python -P -m workers worker …`, `… flower …`.

`celery -A NAME` would look for NAME in the working directory before it looks among what is installed.
"""

import sys


def main() -> None:
    """Run the command in `sys.argv`."""
    if "flower" in sys.argv[1:]:
        from workers.flower import app
    else:
        from workers.app import app
    app.start(sys.argv[1:])


if __name__ == "__main__":
    main()
