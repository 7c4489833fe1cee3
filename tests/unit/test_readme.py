"""The README tells the truth about settings and targets."""

from pathlib import Path

from shared.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_configuration_table_lists_every_setting_with_its_default_and_meaning():
    table = [line for line in README.splitlines() if line.startswith("| `TURNSTONE_")]

    assert table == [_row(name) for name in Settings.model_fields]


def test_first_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()

    for target in ("demo", "up", "test", "check", "faults", "bench", "real-model", "compliance"):
        assert f"make {target}" in README
        assert f"\n{target}: " in makefile


def _row(name: str) -> str:
    field = Settings.model_fields[name]
    default = field.default
    shown = "" if default in (None, "") else f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
    return f"| `TURNSTONE_{name.upper()}` | {shown} | {field.description} |"
