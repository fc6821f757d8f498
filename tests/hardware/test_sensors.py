from __future__ import annotations

from pathlib import Path

import pytest

from hawklet_hardware.sensors import Throttle, decode_pi_throttle, read_sensors


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def fake_vcgencmd(folder: Path, script: str) -> str:
    program = folder / "vcgencmd"
    folder.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(folder)


NO_PROGRAMS = "/nonexistent"


def test_temperatures_clocks_and_governor_are_read(tmp_path: Path) -> None:
    root = lay(
        tmp_path,
        {
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "61250\n",
            "sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
            "sys/class/thermal/thermal_zone1/temp": "-256000\n",
            "sys/class/thermal/thermal_zone2/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone2/temp": "30000\n",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1500000\n",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "ondemand\n",
            "sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq": "2400000\n",
            "sys/devices/system/cpu/cpufreq/policy4/scaling_governor": "performance\n",
        },
    )
    sensors = read_sensors(root, NO_PROGRAMS)
    assert sensors.temperatures_c == {"cpu-thermal": 61.25}  # the idle zone's nonsense is left out
    assert sensors.hottest_c == 61.25
    assert sensors.clocks_mhz == {"policy0": 1500.0, "policy4": 2400.0}
    assert sensors.governor == "ondemand,performance"


def test_a_machine_without_sensors_says_nothing_rather_than_guessing(tmp_path: Path) -> None:
    sensors = read_sensors(tmp_path, NO_PROGRAMS)
    assert (sensors.temperatures_c, sensors.clocks_mhz, sensors.governor) == ({}, {}, "")
    assert sensors.throttle is None
    assert sensors.hottest_c is None


@pytest.mark.parametrize(
    ("flags", "now", "since_boot"),
    [
        (0x0, (), ()),
        (0x1, ("under-voltage",), ()),
        (0x50005, ("under-voltage", "throttled"), ("under-voltage", "throttled")),
        (0xE0008, ("soft temperature limit",), ("frequency capped", "throttled", "soft temperature limit")),
    ],
)
def test_the_raspberry_pis_throttle_bits_are_put_into_words(
    flags: int, now: tuple[str, ...], since_boot: tuple[str, ...]
) -> None:
    assert decode_pi_throttle(flags) == Throttle(now, since_boot, "vcgencmd")


def test_vcgencmd_is_asked_for_throttling(tmp_path: Path) -> None:
    path = fake_vcgencmd(tmp_path / "bin", '[ "$1" = get_throttled ] && echo throttled=0x20002')
    throttle = read_sensors(tmp_path, path).throttle
    assert throttle == Throttle(("frequency capped",), ("frequency capped",), "vcgencmd")


@pytest.mark.parametrize("script", ["echo VCHI initialization failed; exit 255", "echo nonsense", "exit 0"])
def test_a_vcgencmd_without_access_is_passed_over_for_the_kernels_word(tmp_path: Path, script: str) -> None:
    path = fake_vcgencmd(tmp_path / "bin", script)
    lay(tmp_path, {"sys/devices/platform/soc/soc:firmware/get_throttled": "4\n"})
    assert read_sensors(tmp_path, path).throttle == Throttle(("throttled",), (), "firmware")


def test_active_cooling_of_processors_counts_as_throttling_and_a_fan_does_not(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
            "sys/class/thermal/cooling_device0/cur_state": "3\n",
            "sys/class/thermal/cooling_device1/type": "cpufreq-cpu0\n",
            "sys/class/thermal/cooling_device1/cur_state": "0\n",
        },
    )
    assert read_sensors(tmp_path, NO_PROGRAMS).throttle == Throttle((), (), "cooling devices")
    lay(tmp_path, {"sys/class/thermal/cooling_device1/cur_state": "2\n"})
    assert read_sensors(tmp_path, NO_PROGRAMS).throttle == Throttle(("cpufreq-cpu0 held down",), (), "cooling devices")


def test_a_pcs_throttle_counters_tell_of_the_past(tmp_path: Path) -> None:
    counter = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    lay(tmp_path, {counter: "0\n"})
    assert read_sensors(tmp_path, NO_PROGRAMS).throttle == Throttle((), (), "thermal_throttle")
    lay(tmp_path, {counter: "7\n"})
    assert read_sensors(tmp_path, NO_PROGRAMS).throttle == Throttle((), ("throttled 7 times",), "thermal_throttle")


def test_clocks_come_from_cpuinfo_where_there_is_no_cpufreq(tmp_path: Path) -> None:
    lay(tmp_path, {"proc/cpuinfo": "processor : 0\ncpu MHz\t\t: 2599.998\nprocessor : 1\ncpu MHz : 1200.5\n"})
    assert read_sensors(tmp_path, NO_PROGRAMS).clocks_mhz == {"cpu0": 2599.998, "cpu1": 1200.5}
