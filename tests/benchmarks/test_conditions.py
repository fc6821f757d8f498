from __future__ import annotations

import socket
from dataclasses import asdict
from pathlib import Path

from hawklet_benchmarks.conditions import read_machine, read_moment, steal_percent


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_load_pressure_and_steal_are_read(tmp_path: Path) -> None:
    root = lay(
        tmp_path,
        {
            "proc/loadavg": "1.25 0.80 0.50 2/100 1234\n",
            "proc/pressure/cpu": "some avg10=12.50 avg60=3.00 avg300=1.00 total=1\nfull avg10=0.00\n",
            "proc/stat": "cpu  100 0 50 800 10 0 5 35 7 0\ncpu0 1 2 3\n",
        },
    )
    moment = read_moment(root, "/nonexistent")
    assert (moment.load_1min, moment.pressure_cpu_percent) == (1.25, 12.5)
    assert (moment.cpu_ticks, moment.steal_ticks) == (1000, 35)


def test_a_kernel_without_pressure_says_so(tmp_path: Path) -> None:
    moment = read_moment(tmp_path, "/nonexistent")
    assert moment.pressure_cpu_percent is None
    assert steal_percent(moment, moment) == 0.0


def test_steal_is_the_share_of_ticks_given_to_others(tmp_path: Path) -> None:
    before = read_moment(lay(tmp_path / "a", {"proc/stat": "cpu 100 0 0 0 0 0 0 0\n"}), "/nonexistent")
    after = read_moment(lay(tmp_path / "b", {"proc/stat": "cpu 150 0 0 0 0 0 0 50\n"}), "/nonexistent")
    assert steal_percent(before, after) == 50.0


def test_the_system_is_called_by_its_own_name(tmp_path: Path) -> None:
    root = lay(tmp_path, {"etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'})
    assert read_machine(root).os == "Debian GNU/Linux 13 (trixie)"


def test_conditions_name_no_host(tmp_path: Path) -> None:
    host = socket.gethostname()
    words = str(asdict(read_machine())) + str(asdict(read_moment()))
    assert len(host) < 5 or host not in words
