from __future__ import annotations

from pathlib import Path

import pytest

from hawklet_hardware.detect import GENERIC, detect, has_matrix_tiles


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_raspberry_pi_is_recognised_by_its_device_tree(tmp_path: Path) -> None:
    root = lay(
        tmp_path / "root",
        {
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5\0",
            "proc/device-tree/compatible": "raspberrypi,4-model-b\0brcm,bcm2711\0",
            "proc/meminfo": "MemTotal:        3884312 kB\nMemFree: 1 kB\n",
            "sys/devices/system/cpu/online": "0-2,5\n",
        },
    )
    board = detect(root, "aarch64")
    assert (board.id, board.name) == ("raspberry-pi-4", "Raspberry Pi 4")
    assert board.model == "Raspberry Pi 4 Model B Rev 1.5"
    assert (board.soc, board.cores, board.ram_mb, board.virtual) == ("bcm2711", 4, 3793, False)


def test_a_model_of_the_same_family_is_recognised_by_its_own_entry(tmp_path: Path) -> None:
    root = lay(tmp_path / "root", {"proc/device-tree/model": "Raspberry Pi 400 Rev 1.0\0"})
    assert detect(root, "aarch64").id == "raspberry-pi-4"  # the Pi 400 is a Pi 4 in a keyboard


def test_a_board_without_a_profile_keeps_its_own_name(tmp_path: Path) -> None:
    root = lay(tmp_path / "root", {"proc/device-tree/model": "Radxa ROCK 5B\0"})
    board = detect(root, "aarch64")
    assert (board.id, board.name) == ("generic-arm64", "Radxa ROCK 5B")


def test_a_pc_is_named_by_its_processor_and_a_virtual_one_is_told(tmp_path: Path) -> None:
    cpuinfo = (
        "model name\t: Example CPU @ 3 GHz\nflags\t\t: fpu sse hypervisor avx\n\nmodel name\t: Example CPU @ 3 GHz\n"
    )
    board = detect(lay(tmp_path / "root", {"proc/cpuinfo": cpuinfo}), "x86_64")
    assert (board.id, board.name, board.soc, board.model) == (
        "x86-64",
        "Example CPU @ 3 GHz",
        "Example CPU @ 3 GHz",
        "",
    )
    assert board.virtual


@pytest.mark.parametrize(("flags", "has"), [("fpu avx512_vnni amx_tile amx_int8", True), ("fpu avx512_vnni", False)])
def test_processors_with_matrix_tiles_are_told_from_others(tmp_path: Path, flags: str, has: bool) -> None:
    assert has_matrix_tiles(lay(tmp_path, {"proc/cpuinfo": f"model name : Example CPU\nflags : {flags}\n"})) is has


def test_a_machine_that_tells_nothing_and_is_of_no_known_kind_is_still_described(tmp_path: Path) -> None:
    board = detect(tmp_path / "empty", "riscv64")
    assert (board.id, board.name, board.architecture) == (GENERIC, "riscv64", "riscv64")
    assert board.cores >= 1
