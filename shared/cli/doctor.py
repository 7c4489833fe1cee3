"""`turnstone doctor`: one line per part, and what to do where something is wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.cli import stream_check
from shared.cli.doctor_checks import CHECKS, Trouble
from shared.cli.embedded_valkey import with_embedded_valkey
from shared.settings import Settings, SettingsError

_NAME_WIDTH = 9


@dataclass(frozen=True)
class Finding:
    """What a check found; with advice when something is wrong, which is `bad` when turns suffer from it."""

    name: str
    text: str
    advice: str | None = None
    bad: bool = True

    @property
    def state(self) -> str:
        """In a word."""
        return "ok" if self.advice is None else "BAD" if self.bad else "warn"

    def __str__(self) -> str:
        line = f"{self.state:<4} {self.name:<{_NAME_WIDTH}} {self.text}"
        return line if self.advice is None else f"{line}\n     {'':<{_NAME_WIDTH}} → {self.advice}"


def run(settings: Settings, url: str | None = None) -> bool:
    """Print what was found; true when nothing is bad. `url`: where streams are read from as clients do."""
    settings = with_embedded_valkey(settings)
    findings = []
    checks = [*CHECKS]
    if url is not None:
        checks.append(("streams", lambda _: stream_check.check(url), stream_check.ADVICE))
    for name, check, advice in checks:
        findings.append(_examine(name, check, advice, settings))
        print(findings[-1], flush=True)
    return not any(finding.state == "BAD" for finding in findings)


def _examine(name: str, check: Callable[[Settings], str], advice: str, settings: Settings) -> Finding:
    try:
        return Finding(name, check(settings))
    except Trouble as trouble:
        return Finding(name, str(trouble), trouble.advice, trouble.bad)
    except SettingsError as error:
        return Finding(name, "not configured", str(error))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one part is that part's finding
        lines = str(error).splitlines()
        return Finding(name, f"{type(error).__name__}: {lines[0] if lines else 'no more is known'}", advice)
