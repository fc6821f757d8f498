"""The board profiles: complete, and found by what a board says of itself."""

from __future__ import annotations

import pytest

from hawklet.errors import UsageError
from hawklet_hardware.boards import BoardProfile, parse_profile, profile_of, profiles, read_profiles


def test_every_profile_reads_and_they_are_all_different() -> None:
    ids = [profile.id for profile in profiles()]
    assert len(ids) == len(set(ids)) == 8


@pytest.mark.parametrize("profile", profiles(), ids=lambda profile: profile.id)
def test_a_profile_is_usable(profile: BoardProfile) -> None:
    assert profile.notes and profile.arch and set(profile.os) == set(profile.python)
    assert profile.threads >= 1
    assert profile.camera.startswith(("picamera2://", "csi://", "/dev/video"))


@pytest.mark.parametrize(
    ("model", "machine", "expected"),
    [
        ("Raspberry Pi 5 Model B Rev 1.0", "aarch64", "raspberry-pi-5"),
        ("Raspberry Pi 4 Model B Rev 1.4", "aarch64", "raspberry-pi-4"),
        ("Raspberry Pi 400 Rev 1.0", "aarch64", "raspberry-pi-4"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "aarch64", "raspberry-pi-3"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "aarch64", "raspberry-pi-zero-2-w"),
        ("NVIDIA Jetson Nano Developer Kit", "aarch64", "jetson-nano"),
        ("NVIDIA Jetson Orin Nano Developer Kit", "aarch64", "jetson-orin-nano"),
        ("Radxa ROCK 5B", "aarch64", "generic-arm64"),
        ("", "x86_64", "x86-64"),
    ],
)
def test_a_board_is_found_by_what_its_firmware_says(model: str, machine: str, expected: str) -> None:
    found = profile_of(model, machine)
    assert found is not None and found.id == expected


def test_a_processor_that_no_engine_supports_has_no_profile() -> None:
    assert profile_of("", "riscv64") is None


def test_boards_that_are_too_old_say_so() -> None:
    old = [profile.id for profile in profiles() if not profile.supported]
    assert old == ["jetson-nano"]
    orin = profile_of("Jetson Orin Nano", "aarch64")
    assert orin is not None and any("too old" in note for note in orin.notes)


@pytest.mark.parametrize(
    "change",
    [
        {"soc": None, "engine": "caffe"},
        {"onnx_activation": "S16"},
        {"surprise": 1},
        {"match": "not a list"},
        {"aliases": []},
        {"delegate": {"tflite": ["XNNPACK"]}},
    ],
)
def test_a_malformed_profile_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="a board profile"):
        parse_profile({**read_profiles()[0], **change})
