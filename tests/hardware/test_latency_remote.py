"""Measuring on a board through a real sshd: the numbers, what remains there, and what is said when it goes wrong."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_models
from hawklet import __version__
from hawklet.engines import default_threads
from hawklet.errors import FlashError, HostKeyError, UsageError
from hawklet.spec import ModelFormat
from hawklet_hardware.flash.options import EnvironmentOptions, ServiceChoice
from hawklet_hardware.latency import remote
from hawklet_hardware.latency.remote import BoardAccess, board_at
from hawklet_hardware.latency.results import Measurement
from hawklet_hardware.ssh import Connection

Board = Any  # tests/hardware/conftest.py: LoopbackBoard
PICTURE = np.zeros((tiny_models.SIDE, tiny_models.SIDE, 3), dtype=np.uint8)
MANY = 10_000
"""Rounds that a test ends before they are done."""


def candidates() -> dict[str, tuple[ModelFormat, bytes]]:
    return {
        "a/tflite": (ModelFormat.TFLITE, tiny_models.colour_tflite()),
        "the same": (ModelFormat.TFLITE, tiny_models.colour_tflite()),
        "onnx; rm -rf /": (ModelFormat.ONNX, tiny_models.colour_onnx()),
    }


def access(board: Board, *, python: str | None = sys.executable, **login: object) -> BoardAccess:
    return BoardAccess(board.sshd.login(**login), EnvironmentOptions(python=python), str(board.store.prefix))


def measure(board: Board, *, how: BoardAccess | None = None, rounds: int = 3, **options: Any) -> Measurement:
    how = how or access(board)
    threads, say = options.get("threads", 1), options.get("say", board.said.append)
    with board_at(str(board.sshd.target), list(ModelFormat), access=how, say=say) as held:
        return held.measure(candidates(), PICTURE, threads=threads, rounds=rounds)


def files_at_home(board: Board) -> list[Path]:
    return [path for path in board.home.rglob("*") if path.is_file()]


def remains(board: Board) -> list[Path]:
    return list(board.temporary.glob("hawklet-measure-*"))  # a flash's check of ONNX leaves onnxruntime's file


def processes(board: Board) -> list[str]:
    """Command lines of what still runs on the board, whoever's child it is."""
    found, mark = [], f"TMPDIR={board.temporary}\0".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
            if mark in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [line for line in found if "hawklet_hardware.latency" in line]


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, f"{what} did not come in 30 s"
        time.sleep(0.05)


def test_candidates_are_measured_there_and_nothing_of_them_remains(board: Board) -> None:
    before = files_at_home(board)
    found = measure(board)
    assert set(found.latencies) == set(candidates()) and found.refused == {}
    assert files_at_home(board) == before
    assert all(latency.rounds == 3 and latency.median_wall_ms > 0 for latency in found.latencies.values())
    assert found.conditions.profile in ("x86-64", "generic-arm64") and found.conditions.threads == 1
    assert found.conditions.engines["onnx"].startswith("onnxruntime ")
    assert remains(board) == []
    assert any("measured in 3 rounds with 1 thread (" in line for line in board.said)
    assert {path.name for path in board.store.prefix.iterdir()} <= {"flash.lock", "activate.lock"}


def test_the_interpreter_of_a_flashed_board_is_used_without_being_named(board: Board, tiny_bundle: Path) -> None:
    before = board.place(tiny_bundle)
    found = measure(board, how=access(board, python=None))
    assert len(found.latencies) == 3
    assert not (board.store.prefix / "envs").exists()
    assert board.store.current() == before


def test_without_a_number_of_threads_the_profile_and_the_cores_there_say_it(board: Board) -> None:
    assert measure(board, rounds=2, threads=None).conditions.threads == min(4, default_threads())


def test_a_board_that_is_held_measures_again_over_the_same_connection(board: Board) -> None:
    with board_at(str(board.sshd.target), list(ModelFormat), access=access(board)) as held:
        assert held.python == sys.executable and held.profile is not None and held.services == ()
        first = held.measure(candidates(), PICTURE, threads=1, rounds=2)
        broken = {"broken": (ModelFormat.ONNX, b"no model")}
        second = held.measure(broken, PICTURE, threads=1, rounds=2)
        with pytest.raises(UsageError, match="at least one candidate"):
            held.measure({}, PICTURE)
        with pytest.raises(FlashError, match="and no measurement beside it"):
            measure(board)
    assert len(first.latencies) == 3 and set(second.refused) == {"broken"}
    assert remains(board) == []


def test_an_engine_that_the_named_interpreter_lacks_is_told_with_the_command_to_get_it(
    board: Board, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nHAWKLET_TFLITE=tflite-runtime exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    message = rf"needs an engine for \.tflite candidates.*{python} -m pip install 'hawklet\[tflite\]=={__version__}'"
    with pytest.raises(FlashError, match=message):
        measure(board, how=access(board, python=str(python)))
    assert remains(board) == []


def test_an_interpreter_without_hawklet_is_refused(board: Board) -> None:
    with pytest.raises(FlashError, match="--python must be an interpreter on the board that has hawklet"):
        measure(board, how=access(board, python="/usr/bin/false"))


def test_an_interpreter_whose_hawklet_is_another_one_is_refused_with_its_own_words(
    board: Board, tmp_path: Path
) -> None:
    for answer, words in [
        ('echo \'hawklet-latency:{"version": "0.0.1", "protocol": 1}\'', "its hawklet is another one"),
        ("echo No module named hawklet_hardware.latency >&2; exit 1", "No module named hawklet_hardware.latency"),
    ]:
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nif [ "$3" = look ]; then {answer}; else exec {sys.executable} "$@"; fi\n')
        python.chmod(0o755)
        with pytest.raises(FlashError, match=f"must be able to measure, but {python} says: {words}"):
            measure(board, how=access(board, python=str(python)))


def test_a_service_that_competes_is_told_and_left_running(board: Board, tiny_bundle: Path, systemd: Any) -> None:
    systemd.boot()
    board.flash(tiny_bundle, service=ServiceChoice.USER)
    found = measure(board)
    assert found.conditions.services == ("user",)
    assert any("systemctl --user stop hawklet" in warning for warning in found.conditions.warnings())
    assert systemd.command_line() and not any("stop" in call.split() for call in systemd.calls())


def test_ctrl_c_in_the_middle_leaves_neither_files_nor_processes_there(board: Board) -> None:
    modes: list[int] = []

    def interrupt(line: str) -> None:
        if "round" in line and " of " in line:
            assert processes(board)
            modes.extend(path.stat().st_mode & 0o777 for path in remains(board))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(board, rounds=MANY, say=interrupt)
    assert modes == [0o700], "the folder was there, and private"
    wait_for(lambda: remains(board) == [] and processes(board) == [], "the end of the board's half")


def test_a_connection_cut_in_the_middle_is_told_and_the_board_clears_up_by_itself(board: Board) -> None:
    def cut(line: str) -> None:
        if "round" in line and " of " in line:
            board.sshd.cut_connections()

    with pytest.raises(FlashError, match=r"connection .*was lost"):
        measure(board, rounds=MANY, say=cut)
    wait_for(lambda: remains(board) == [] and processes(board) == [], "the end of the board's half")
    assert len(measure(board).latencies) == 3, "no lock was left either"


def test_a_file_that_cannot_be_stored_there_is_told_and_nothing_remains(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = Connection.upload

    def to_a_full_disk(self: Connection, data: bytes, path: str, sha256: str) -> None:
        (Path(path + ".part")).symlink_to("/dev/full")  # every write fails as on a full disk
        upload(self, data, path, sha256)

    monkeypatch.setattr(Connection, "upload", to_a_full_disk)
    with pytest.raises(FlashError, match=r"could not be stored on .*No space left on device"):
        measure(board)
    wait_for(lambda: remains(board) == [], "the end of the board's half")


def test_too_little_space_is_said_before_anything_is_sent(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_MARGIN_BYTES", 1 << 60)
    with pytest.raises(FlashError, match=r"MB must be free for the candidates .* MB are; clear some space"):
        measure(board)
    wait_for(lambda: remains(board) == [], "the end of the board's half")


def test_an_unknown_host_key_stops_it_before_anything_is_sent(board: Board, tmp_path: Path) -> None:
    with pytest.raises(HostKeyError):
        measure(board, how=access(board, known_hosts=tmp_path / "empty"))
    assert not board.store.prefix.exists() and remains(board) == []


def test_a_host_that_is_not_there_is_told_plainly(board: Board) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for host, error, message in [
        (f"127.0.0.1:{port}", FlashError, "nothing listens on that port"),
        ("-oProxyCommand=x", UsageError, "a board is named as user@host"),
    ]:
        with pytest.raises(error, match=message), board_at(host, list(ModelFormat), access=access(board)):
            pass


def test_the_boards_half_that_dies_is_told_with_its_last_words(board: Board, tmp_path: Path) -> None:
    python = tmp_path / "python"
    script = f'#!/bin/sh\n[ "$3" = serve ] || exec {sys.executable} "$@"\necho Illegal instruction >&2\nexit 132\n'
    python.write_text(script)
    python.chmod(0o755)
    with pytest.raises(FlashError, match="half of the measurement died with status 132: Illegal instruction"):
        measure(board, how=access(board, python=str(python)))
