"""Flashing through a real sshd: what is on the board afterwards, above all when something goes wrong."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import tiny_models
from hawklet.bundle import Bundle
from hawklet.cli import main
from hawklet.errors import BundleError, FlashError, HostKeyError, SelfTestError, UsageError
from hawklet_hardware.flash import flasher
from hawklet_hardware.flash.flasher import flash
from hawklet_hardware.flash.inspect import rollback, status
from hawklet_hardware.flash.lock import flash_lock
from hawklet_hardware.flash.options import EnvironmentOptions, FlashOptions, RunOptions, ServiceChoice
from hawklet_hardware.flash.probe import probe
from hawklet_hardware.ssh import Connection, Target

NOWHERE = "/nowhere/at-all.mp4"
"""A source that ends the service as soon as it has started; the watch ends with it, so it may be long."""
Board = Any  # tests/hardware/conftest.py: LoopbackBoard


def test_a_flash_leaves_a_proved_release_current(board: Board, tiny_bundle: Path) -> None:
    report = board.flash(tiny_bundle)
    assert [(row.variant, row.passed) for row in report.golden] == [("float32-tflite", True), ("float32-onnx", True)]
    assert board.store.current() == report.release.id
    assert str(board.store.link.readlink()) == f"releases/{report.release.id}"
    assert (board.store.link / "bundle" / "manifest.json").is_file()
    assert board.store.read(report.release.id) == report.release
    start = (board.store.link / "start").read_text().splitlines()[-1]
    folder = board.store.folder(report.release.id)
    assert start == f'exec {sys.executable} -m hawklet run {folder}/bundle --source synthetic://cards "$@"'
    assert not (board.store.prefix / "incoming").exists()


def test_flashing_the_same_again_sends_nothing_and_says_so(board: Board, tiny_bundle: Path) -> None:
    first = board.flash(tiny_bundle)
    made = (board.store.link / "release.json").stat().st_mtime_ns
    said = len(board.said)
    second = board.flash(tiny_bundle)
    assert second.already_there and not first.already_there
    assert second.release == first.release
    assert (board.store.link / "release.json").stat().st_mtime_ns == made
    assert board.store.history() == [first.release.id]
    assert not any("sent" in line for line in board.said[said:])


def test_a_release_damaged_on_the_card_is_mended_by_flashing_it_again(board: Board, tiny_bundle: Path) -> None:
    board.place(tiny_bundle)
    model = board.store.link / "bundle" / "models" / "float32-tflite.tflite"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1])
    assert not board.flash(tiny_bundle).already_there
    assert model.read_bytes() == whole


def test_other_run_arguments_make_another_release_of_the_same_bundle(board: Board, tiny_bundle: Path) -> None:
    first = board.place(tiny_bundle)
    second = board.flash(tiny_bundle, source="synthetic://cards?seed=1")
    assert not second.already_there and second.release.id[:16] == first[:16]
    assert board.store.history() == [first, second.release.id]


def test_golden_frames_that_differ_there_leave_the_previous_model_active(
    board: Board, tiny_bundle: Path, wrong_bundle: Path
) -> None:
    before = board.place(tiny_bundle)
    with pytest.raises(SelfTestError, match=r"golden frames must come out within .* nothing was switched"):
        board.flash(wrong_bundle)
    assert board.store.current() == before
    assert board.store.history() == [before]
    assert [folder.name for folder in (board.store.prefix / "releases").iterdir()] == [before]


def test_a_first_flash_that_fails_leaves_nothing_current(board: Board, wrong_bundle: Path) -> None:
    with pytest.raises(SelfTestError):
        board.flash(wrong_bundle)
    assert board.store.current() is None


def test_a_damaged_bundle_is_refused_before_anything_is_sent(tmp_path: Path, board: Board, tiny_bundle: Path) -> None:
    damaged = bytearray(tiny_bundle.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged.hawklet").write_bytes(damaged)
    nowhere = Target("127.0.0.1", port=1)
    with pytest.raises(BundleError):
        flash(tmp_path / "damaged.hawklet", nowhere, board.sshd.login(), board.options(), board.said.append)


def test_only_the_newest_releases_stay(board: Board, tmp_path: Path) -> None:
    bundles = [tiny_models.write_colour_bundle(tmp_path / name, name=name) for name in "abc"]
    ids = [board.place(bundle) for bundle in bundles[:2]]
    report = board.flash(bundles[2], keep=2)
    ids.append(report.release.id)
    assert FlashOptions().keep == 3
    assert board.store.history() == ids[1:]
    assert {folder.name for folder in (board.store.prefix / "releases").iterdir()} == set(ids[1:])
    assert report.removed == (ids[0],)


def test_a_connection_cut_at_any_step_leaves_the_previous_model_active(
    board: Board, tiny_bundle: Path, other_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = board.place(tiny_bundle)
    calls: list[object] = []
    cut_at = 0
    run = Connection.run

    def cut(self: Connection, command: Any, **kwargs: Any) -> Any:
        calls.append(command)
        if len(calls) > cut_at:
            self.close()
        return run(self, command, **kwargs)

    monkeypatch.setattr(Connection, "run", cut)
    # The commands: look, ask the interpreter, look again, send, unpack, check, switch.
    for cut_at in range(7):
        calls.clear()
        with pytest.raises(FlashError, match="connection was lost"):
            board.flash(other_bundle)
        assert len(calls) == cut_at + 1
        assert board.store.current() == before
    cut_at = 7
    calls.clear()
    assert board.flash(other_bundle).release.id == board.store.current() != before
    assert len(calls) == 7


def test_the_switch_ends_by_itself_when_the_connection_is_cut_in_the_middle_of_it(
    board: Board, tiny_bundle: Path, other_bundle: Path, systemd: Any
) -> None:
    before = board.place(tiny_bundle)
    failure: list[BaseException] = []

    def flash_other() -> None:
        try:
            board.flash(other_bundle)
        except FlashError as error:
            failure.append(error)

    worker = threading.Thread(target=flash_other)
    worker.start()
    _wait_for(lambda: board.store.current() != before, "the switch")
    board.sshd.cut_connections()
    worker.join(timeout=30)
    assert failure, "the workstation is told that the connection was lost"
    _wait_for(lambda: len(board.store.history()) == 2, "the end of the activation")
    assert board.store.current() == board.store.history()[-1]


def test_two_flashes_at_once_are_kept_apart(board: Board, tiny_bundle: Path) -> None:
    with Connection(board.sshd.target, board.sshd.login()) as connection:
        state = probe(connection, str(board.store.prefix))
        with flash_lock(connection, sys.executable, state), pytest.raises(FlashError, match="only one flash may run"):
            board.flash(tiny_bundle)
    board.flash(tiny_bundle)


def test_a_lost_connection_leaves_no_lock_behind(board: Board, tiny_bundle: Path) -> None:
    with Connection(board.sshd.target, board.sshd.login()) as connection:
        state = probe(connection, str(board.store.prefix))
        with flash_lock(connection, sys.executable, state):
            board.sshd.cut_connections()
            board.flash(tiny_bundle)


def test_a_folder_that_cannot_be_made_is_said_plainly(board: Board, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FlashError, match=r"cannot be locked: .*file"):
        board.flash(tiny_bundle, prefix=str(tmp_path / "file" / "hawklet"))


def test_too_little_space_is_said_before_anything_is_sent(
    board: Board, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flasher, "_MARGIN_BYTES", 1 << 60)
    with pytest.raises(FlashError, match=r"MB must be free under .*, \d+ MB are"):
        board.flash(tiny_bundle)
    assert not board.store.prefix.exists()


def test_an_unknown_host_key_stops_the_flash(board: Board, tiny_bundle: Path, tmp_path: Path) -> None:
    login = board.sshd.login(known_hosts=tmp_path / "empty")
    with pytest.raises(HostKeyError):
        flash(tiny_bundle, board.sshd.target, login, board.options(), board.said.append)
    assert not board.store.prefix.exists()


def test_an_interpreter_without_hawklet_is_refused(board: Board, tiny_bundle: Path) -> None:
    environment = EnvironmentOptions(python="/usr/bin/false")
    with pytest.raises(FlashError, match="--python must be an interpreter on the board that has hawklet"):
        board.flash(tiny_bundle, environment=environment)


def test_a_dry_run_says_the_plan_and_changes_nothing(board: Board, tiny_bundle: Path) -> None:
    options = board.options(dry_run=True)
    assert flash(tiny_bundle, board.sshd.target, board.sshd.login(), options, board.said.append) is None
    assert any("switch" in line and "from nothing to" in line for line in board.said)
    assert not board.store.prefix.exists()


def test_going_back_goes_to_the_release_before_and_then_further(board: Board, tmp_path: Path) -> None:
    ids = [board.place(tiny_models.write_colour_bundle(tmp_path / name, name=name)) for name in "abc"]
    back = (board.sshd.target, board.sshd.login(), str(board.store.prefix), 1.0)
    assert rollback(*back).id == ids[1] == board.store.current()
    assert rollback(*back).id == ids[0] == board.store.current()
    with pytest.raises(FlashError, match="must be an older release to go back to"):
        rollback(*back)
    assert board.store.history() == ids


def test_status_names_what_runs_and_what_is_kept(board: Board, tiny_bundle: Path, other_bundle: Path) -> None:
    ids = [board.place(bundle) for bundle in (tiny_bundle, other_bundle)]
    state = status(board.sshd.target, board.sshd.login(), str(board.store.prefix))
    assert (state.current, list(state.history)) == (ids[1], ids)
    release = state.release(ids[1])
    assert release is not None and release.model == "other"
    assert state.service_scopes == ()


def test_a_service_runs_the_release_and_a_second_flash_replaces_it(
    board: Board, tiny_bundle: Path, other_bundle: Path, systemd: Any
) -> None:
    systemd.boot()
    report = board.flash(tiny_bundle, service=ServiceChoice.USER)
    assert report.service == "user"
    assert f"{report.release.id}/bundle" in " ".join(systemd.command_line())
    second = board.flash(other_bundle, service=ServiceChoice.USER)
    assert f"{second.release.id}/bundle" in " ".join(systemd.command_line())
    assert board.flash(other_bundle, service=ServiceChoice.USER).already_there
    assert systemd.calls().count("--user daemon-reload") == 1, "the unit is the same for every model"


def test_a_service_that_does_not_stay_up_brings_the_previous_model_back(
    board: Board, tiny_bundle: Path, other_bundle: Path, systemd: Any
) -> None:
    systemd.boot()
    before = board.flash(tiny_bundle, service=ServiceChoice.USER).release.id
    with pytest.raises(FlashError, match=rf"must stay up .* rolled back: {before} is current again"):
        board.flash(other_bundle, service=ServiceChoice.USER, source=NOWHERE, watch_s=60)
    assert board.store.current() == before
    assert f"{before}/bundle" in " ".join(systemd.command_line()), "and it runs"


def test_a_first_service_that_does_not_stay_up_is_taken_away(board: Board, tiny_bundle: Path, systemd: Any) -> None:
    systemd.boot()
    with pytest.raises(FlashError, match="rolled back: nothing is current, as before"):
        board.flash(tiny_bundle, service=ServiceChoice.USER, source=NOWHERE, watch_s=60)
    assert board.store.current() is None
    assert "--user disable --now hawklet.service" in systemd.calls()


def test_a_failed_flash_elsewhere_leaves_the_unit_and_its_process_as_they_were(
    board: Board, tiny_bundle: Path, other_bundle: Path, systemd: Any, tmp_path: Path
) -> None:
    systemd.boot()
    before = board.flash(tiny_bundle, service=ServiceChoice.USER).release.id
    unit = systemd.unit.read_text()
    with pytest.raises(FlashError, match="nothing is current, as before"):
        board.flash(
            other_bundle, service=ServiceChoice.USER, source=NOWHERE, watch_s=60, prefix=str(tmp_path / "elsewhere")
        )
    assert systemd.unit.read_text() == unit
    assert f"{before}/bundle" in " ".join(systemd.command_line())


def test_a_release_without_a_service_has_none_after_a_failed_flash_with_one(
    board: Board, tiny_bundle: Path, other_bundle: Path, systemd: Any
) -> None:
    systemd.boot()
    board.flash(tiny_bundle, service=ServiceChoice.NONE)
    with pytest.raises(FlashError, match="must stay up"):
        board.flash(other_bundle, service=ServiceChoice.USER, source=NOWHERE, watch_s=60)
    assert not systemd.unit.exists()
    board.flash(tiny_bundle, service=ServiceChoice.USER)
    assert systemd.unit.stat().st_mode & 0o044 == 0o044


def test_a_service_that_runs_another_release_than_the_current_one_is_restarted(
    board: Board, tiny_bundle: Path, other_bundle: Path, systemd: Any
) -> None:
    systemd.boot()
    board.flash(tiny_bundle, service=ServiceChoice.USER)
    current = board.flash(other_bundle, service=ServiceChoice.NONE).release.id
    assert any("runs another release until it is restarted" in line for line in board.said)
    assert not board.flash(other_bundle, service=ServiceChoice.USER).already_there
    assert f"{current}/bundle" in " ".join(systemd.command_line())


def test_the_variant_that_will_run_is_the_one_that_is_proved(board: Board, tmp_path: Path) -> None:
    bundle = tiny_models.write_colour_bundle(tmp_path / "half.hawklet", wrong_variant="float32-onnx")
    assert board.flash(bundle).golden[0].variant == "float32-tflite"
    with pytest.raises(SelfTestError, match="golden frames must come out"):
        board.flash(bundle, arguments=("--variant", "float32-onnx"))
    with pytest.raises(UsageError, match="one of the bundle's float32-tflite, float32-onnx, got int4"):
        board.flash(bundle, arguments=("--variant=int4",))


def test_going_back_after_a_flash_leads_to_what_ran_before_it(board: Board, tmp_path: Path) -> None:
    bundles = [tiny_models.write_colour_bundle(tmp_path / name, name=name) for name in "abc"]
    first, _ = (board.place(bundle) for bundle in bundles[:2])
    back = (board.sshd.target, board.sshd.login(), str(board.store.prefix), 1.0)
    assert rollback(*back).id == first
    board.flash(bundles[2], keep=2)
    assert rollback(*back).id == first == board.store.current()


def test_a_flash_waits_for_a_switch_whose_connection_was_cut(board: Board, tiny_bundle: Path) -> None:
    board.store.prefix.mkdir()
    with (board.store.prefix / "activate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FlashError, match="still switching there"):
            board.flash(tiny_bundle)
    assert board.flash(tiny_bundle).release.id == board.store.current()


def test_no_password_of_a_camera_is_shown_or_readable_by_others(
    board: Board, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = board.flash(
        tiny_bundle, source="rtsp://admin:hunter2@cam/1", arguments=("--mqtt=mqtt://pi:s3cret@broker/t",)
    ).release
    start = board.store.folder(release.id) / "start"
    assert "hunter2" in start.read_text()
    assert start.stat().st_mode & 0o077 == 0
    login = ["--identity", str(board.sshd.identity), "--known-hosts", str(board.sshd.known_hosts)]
    with pytest.raises(SystemExit):
        main(["flash", "--status", str(board.sshd.target), *login, "--prefix", str(board.store.prefix)])
    shown = capsys.readouterr().out
    assert "rtsp://cam" in shown and "mqtt://broker" in shown
    assert "hunter2" not in shown and "s3cret" not in shown


def test_a_service_is_refused_where_systemd_does_not_run(board: Board, tiny_bundle: Path, systemd: Any) -> None:
    with pytest.raises(FlashError, match=r"on this board it does not; add --service none"):
        board.flash(tiny_bundle, service=ServiceChoice.USER)


@pytest.mark.parametrize(
    "arguments",
    [
        ["only-a-bundle"],
        ["bundle", "user@host:99999"],
        ["bundle", "-oProxyCommand=x"],
        ["--status", "--rollback", "user@host"],
        ["--status", "bundle", "user@host"],
        ["bundle", "user@host", "--keep", "0"],
        ["--rollback", "user@host", "--watch", "nan"],
        ["--rollback", "user@host", "--watch", "9999"],
        ["bundle", "user@host", "--prefix", "../.."],
        ["bundle", "user@host", "--run-args", "'unclosed"],
        ["bundle", "user@host", "--python", "python3"],
    ],
)
def test_a_request_that_cannot_be_meant_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["flash", *arguments])
    assert stop.value.code == 2


def test_the_command_flashes_says_the_next_commands_and_fails_with_1(
    board: Board, tiny_bundle: Path, wrong_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sshd = board.sshd
    login = [
        "--identity",
        str(sshd.identity),
        "--known-hosts",
        str(sshd.known_hosts),
        "--prefix",
        str(board.store.prefix),
    ]
    how = ["--python", sys.executable, "--source", "synthetic://cards", *login]
    with pytest.raises(SystemExit) as stop:
        main(["flash", str(tiny_bundle), str(sshd.target), *how])
    out = capsys.readouterr().out
    assert stop.value.code == 0
    assert "runs colours, release" in out and "float32-tflite" in out
    assert f"hawklet flash --rollback {sshd.target}" in out
    with pytest.raises(SystemExit) as stop:
        main(["flash", str(wrong_bundle), str(sshd.target), *how])
    assert stop.value.code == 1
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["flash", "--status", str(sshd.target), *login])
    assert stop.value.code == 0
    assert f"* {board.store.current()}  colours" in capsys.readouterr().out


def test_the_start_script_runs_the_release_by_hand(board: Board, tiny_bundle: Path) -> None:
    board.place(tiny_bundle)
    command = ["sh", str(board.store.link / "start"), "--help"]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def test_without_paramiko_the_way_to_get_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("paramiko", "hawklet_hardware.ssh"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "paramiko", None)
    with pytest.raises(SystemExit) as stop:
        main(["flash", "--status", "pi@host"])
    assert stop.value.code == 1
    assert "pip install 'hawklet[flash]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "extras"),
    [
        (("--source", "picamera2://0"), "tflite"),
        (("--source", "/dev/video0"), "tflite,camera"),
        (("--source", "csi://0", "--web", "8080", "--gpio=stop=17"), "tflite,web,gpio"),
        (("--source", "rtsp://door/1", "--mqtt", "mqtt://broker/cards"), "tflite,camera,mqtt"),
    ],
)
def test_the_board_gets_what_its_run_will_ask_for(run: tuple[str, ...], extras: str, tiny_bundle: Path) -> None:
    manifest = Bundle.open(tiny_bundle).manifest
    assert flasher._extras(manifest, EnvironmentOptions(), None, run) == extras


def test_wrong_combinations_of_options_name_their_flags(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--wheelhouse must be a folder with \.whl files"):
        FlashOptions(environment=EnvironmentOptions(wheelhouse=tmp_path))
    with pytest.raises(UsageError, match="--watch 0 to 3600"):
        FlashOptions(run=RunOptions(watch_s=-1.0))


def _wait_for(condition: Any, what: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, f"{what} did not come in 30 s"
        time.sleep(0.05)
