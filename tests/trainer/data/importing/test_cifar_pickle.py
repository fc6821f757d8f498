"""Pickles that come from somewhere else are read as data, and run nothing."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hawklet.errors import DataError
from hawklet_trainer.data.importing.cifar_pickle import read_batch

REAL = b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03"
REAL += b"cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87R"
"""How Python 2 began the original batches."""


class _Runs:
    def __init__(self, function: Any, *arguments: object) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch {mark}",), "posix.system"),
        (subprocess.Popen, (["touch", "{mark}"],), "subprocess.Popen"),
        (eval, ("open('{mark}', 'w')",), "builtins.eval"),
        (getattr, (str, "upper"), "builtins.getattr"),
        (np.load, ("{mark}",), "numpy.load"),
    ],
)
def test_a_pickle_that_would_run_something_is_refused_naming_it(
    tmp_path: Path, function: Any, arguments: tuple[Any, ...], name: str
) -> None:
    mark, path = tmp_path / "mark", tmp_path / "data_batch_1"
    filled = [arg.replace("{mark}", str(mark)) if isinstance(arg, str) else arg for arg in arguments]
    path.write_bytes(pickle.dumps({"labels": [0], "data": _Runs(function, *filled)}, protocol=4))
    with pytest.raises(DataError, match=f"it names {name}, which a batch has no need of"):
        read_batch(path)
    assert not mark.exists()


def _python_2(data: bytes, shape: tuple[int, int]) -> bytes:
    """A batch as Python 2 wrote it: text as bytes, dtype and state by names of the old NumPy."""
    rows, columns = (number.to_bytes(2, "little") for number in shape)
    state = (
        b"(K\x01M"
        + rows
        + b"M"
        + columns
        + b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
    )
    state += b"J\xff\xff\xff\xffK\x00tb\x89T" + len(data).to_bytes(4, "little") + data + b"tb"
    return REAL + state + b"U\x06labels](K\x04K\x06eu."


def test_what_python_2_wrote_is_read_with_its_pixels(tmp_path: Path) -> None:
    pixels = bytes(range(256)) * 2
    (tmp_path / "batch").write_bytes(_python_2(pixels, (2, 256)))
    batch = read_batch(tmp_path / "batch")
    assert batch["labels"] == [4, 6]
    assert batch["data"].dtype == np.uint8 and batch["data"].tobytes() == pixels and batch["data"].shape == (2, 256)


def test_an_array_stored_by_columns_comes_out_by_rows(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    (tmp_path / "batch").write_bytes(pickle.dumps({"data": array}, protocol=2))
    assert (read_batch(tmp_path / "batch")["data"] == array).all()


def test_every_cut_of_a_batch_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = _python_2(bytes(64), (2, 32))
    for length in range(len(whole)):
        (tmp_path / "batch").write_bytes(whole[:length])
        with pytest.raises(DataError, match="is no CIFAR batch") as caught:
            read_batch(tmp_path / "batch")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02cnumpy\nndarray\n}U\x0c__setstate__K\x01sb.",  # changes what arrays are made by
        b"\x80\x02cnumpy\nndarray\n)\x81.",  # makes an object without calling anything
        b"\x80\x02}r\xff\xff\xff\x7f.",  # asks for a memo of two thousand million entries
        b"\x80\x02Pmark\n.",  # an object kept elsewhere
        b"\x80\x02c_codecs\nencode\nU\x01xU\x05utf-7\x86R.",  # another encoding
        b"no pickle at all",
    ],
)
def test_other_tricks_are_refused_too(tmp_path: Path, program: bytes) -> None:
    (tmp_path / "batch").write_bytes(program)
    with pytest.raises(DataError, match="is no CIFAR batch"):
        read_batch(tmp_path / "batch")


def test_one_bad_pickle_leaves_the_reader_as_it_was(tmp_path: Path) -> None:
    for program in (b"\x80\x02cnumpy\ndtype\n}U\x01xK\x01sb.", _python_2(bytes(4), (1, 4))):
        (tmp_path / "batch").write_bytes(program)
        if program.endswith(b"sb."):
            with pytest.raises(DataError, match="tries to change"):
                read_batch(tmp_path / "batch")
    assert read_batch(tmp_path / "batch")["data"].shape == (1, 4)
