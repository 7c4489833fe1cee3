"""What `turnstone up` keeps in its data directory."""

from pathlib import Path

from shared.cli.data_directory import make_empty, secret


def test_the_secret_key_stays_the_same_and_is_nobody_elses(tmp_path: Path) -> None:
    made = secret(tmp_path)
    assert len(made) >= 32
    assert secret(tmp_path) == made
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_secret_key_that_was_half_written_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "secret.new").write_text("half")
    assert len(secret(tmp_path)) >= 32


def test_figures_of_an_earlier_start_are_gone(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "counter_1.db").write_text("old")
    make_empty(tmp_path / "metrics")
    assert list((tmp_path / "metrics").iterdir()) == []
