"""Tables are read as text, row by row, whatever their form."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from hawklet.errors import DataError, MissingDependencyError
from hawklet_trainer.data.table import read_table, require_text

ROWS = [{"path": "a.jpg", "label": "cat", "n": "1"}, {"path": "b.jpg", "label": "", "n": "2"}]


def test_every_form_gives_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\ufeffpath,label,n\na.jpg,cat,1\n\nb.jpg,,2\n", encoding="utf-8")
    (tmp_path / "t.tsv").write_text("path\tlabel\tn\r\na.jpg\tcat\t1\r\nb.jpg\t\t2\r\n")
    (tmp_path / "t.jsonl").write_text(
        '{"path": "a.jpg", "label": "cat", "n": 1}\n\n{"path": "b.jpg", "label": null, "n": 2}\n'
    )
    columns = {"path": ["a.jpg", "b.jpg"], "label": ["cat", None], "n": [1, 2]}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet"):
        assert list(read_table(tmp_path / f"t{suffix}")) == ROWS


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_what_a_spreadsheet_writes_between_cells_is_told_by_the_names(tmp_path: Path, delimiter: str) -> None:
    text = f'\ufeffpath{delimiter}label\r\n"a,b.jpg"{delimiter}cat\r\n'
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    assert list(read_table(tmp_path / "t.csv")) == [{"path": "a,b.jpg", "label": "cat"}]


def test_cells_missing_at_the_end_of_a_line_are_empty(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label,split\na.jpg,cat\n")
    assert list(read_table(tmp_path / "t.csv")) == [{"path": "a.jpg", "label": "cat", "split": ""}]


def test_names_that_are_no_utf_8_come_through(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"path,label\n\xe4.jpg,cat\n")
    (row,) = read_table(tmp_path / "t.csv")
    assert row["path"].encode(errors="surrogateescape") == b"\xe4.jpg"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.csv", b"", "begin with a line of column names"),
        ("t.csv", b"path,label\na,b,c\n", "2.*got 3 in line 2"),
        ("t.csv", b"path,label\n" + b"x" * (2 << 20) + b",cat\n", "must be CSV, got field larger"),
        ("t.jsonl", b'{"path": 1}\n[2]\n', "one JSON object a line, got list in line 2"),
        ("t.jsonl", b'{"path": ', "one JSON object a line"),
        ("t.jsonl", b"\xff\xfe", "one JSON object a line"),
        ("t.jsonl", b"[" * 100_000, "one JSON object a line, got maximum recursion"),
        ("t.csv", "path,label\na.jpg,cat\n".encode("utf-16"), "must be UTF-8, got .* in the column names of"),
        ("t.csv", "path,label\na.jpg,cat\n".encode("utf-16-le"), "must be UTF-8, got .* in the column names of"),
        ("t.csv", "path,größe\na.jpg,3\n".encode("latin-1"), "must be UTF-8, got .* in the column names of"),
        ("t.json", b'[{"path": "a.jpg"}]', "one object a line, as a file named .jsonl"),
        ("t.parquet", b"no", "must be a Parquet file"),
    ],
)
def test_what_is_no_table_is_refused_saying_why(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        list(read_table(tmp_path / name))


def test_text_that_is_no_utf_8_is_refused_saying_where() -> None:
    assert require_text("größe", "row 1") == "größe"
    for cell in ("caf\udce9", "\ud800", "c\0a\0t"):
        with pytest.raises(DataError, match=r"must be UTF-8, got '.*' in row 1 of t\.csv; save it as UTF-8"):
            require_text(cell, "row 1 of t.csv")


def test_parquet_with_text_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\4\0\0\0"), pa.py_buffer(b"caf\xe9")])
    parquet.write_table(pa.table({"path": ["a.jpg"], "label": broken}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="must be a Parquet file"):
        list(read_table(tmp_path / "t.parquet"))


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        list(read_table(tmp_path / "t.csv"))


def test_parquet_without_its_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'hawklet\[data\]'"):
        list(read_table(tmp_path / "t.parquet"))
