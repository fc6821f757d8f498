from __future__ import annotations

import pytest

from hawklet_benchmarks.table import Table, aligned, show

TABLE = Table(("ms", "p50", "p90"), [("infer", "3.000", "12.000"), ("preprocess [x]", "0.500", "1.000")])


def test_columns_are_aligned_for_a_reader_and_for_programs() -> None:
    assert aligned(TABLE).splitlines() == [
        "ms                p50     p90",
        "infer           3.000  12.000",
        "preprocess [x]  0.500   1.000",
    ]


def test_a_pipe_gets_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(TABLE)
    assert capsys.readouterr().out == aligned(TABLE) + "\n"


def test_a_terminal_gets_the_same_cells_and_no_markup_of_a_name_is_obeyed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show(TABLE)
    assert "preprocess [x]" in capsys.readouterr().out


def test_a_table_wider_than_the_terminal_loses_no_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    show(TABLE)
    assert capsys.readouterr().out == aligned(TABLE) + "\n"
