"""Targets: the one place that says for which board a model is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from hawklet.errors import UsageError
from hawklet.spec import ModelFormat
from hawklet_hardware import targets
from hawklet_hardware.boards import profiles
from hawklet_hardware.detect import Board
from hawklet_hardware.target_option import HOST, TARGET_NAMES, TargetName
from hawklet_hardware.targets import target_named

BOARD = Board("generic", "My board", "", "", "aarch64", 2, 1024, False)


def test_the_names_an_option_offers_are_those_of_the_profiles() -> None:
    aliases = [alias for profile in profiles() for alias in profile.aliases]
    assert sorted(TARGET_NAMES) == sorted([HOST, *aliases])
    assert len(set(aliases)) == len(aliases)


@pytest.mark.parametrize("name", TARGET_NAMES[1:])
def test_every_name_leads_to_the_profile_that_bears_it(name: str) -> None:
    profile = target_named(name)
    assert name in profile.aliases
    assert target_named(profile.id) is profile
    assert set(profile.delegate) == set(ModelFormat)


def test_signed_activations_are_for_arm_and_unsigned_ones_for_x86() -> None:
    found = {name: target_named(name).onnx_activation for name in ("x86", "arm64", "pizero2", "pi5", "jetson")}
    assert found == {"x86": "U8", "arm64": "S8", "pizero2": "S8", "pi5": "S8", "jetson": "S8"}


def test_a_jetson_is_assumed_to_use_its_gpu_for_onnx_and_a_pi_its_processor() -> None:
    jetson, pi = target_named("jetson"), target_named("pi5")
    assert jetson.engine is ModelFormat.ONNX
    assert jetson.delegate[ModelFormat.ONNX][0] == "TensorrtExecutionProvider"
    assert pi.delegate == {ModelFormat.TFLITE: ("XNNPACK",), ModelFormat.ONNX: ("CPUExecutionProvider",)}


def test_the_host_is_this_machine_with_its_own_name_and_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "detect", lambda: BOARD)
    monkeypatch.setattr(targets, "default_threads", lambda: 2)
    monkeypatch.setattr(targets.platform, "machine", lambda: "aarch64")
    host = target_named(HOST)
    assert (host.id, host.name, host.threads, host.onnx_activation) == ("generic-arm64", "My board", 2, "S8")


def test_a_host_that_no_engine_supports_says_what_to_name_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets.platform, "machine", lambda: "riscv64")
    with pytest.raises(UsageError, match="name the board that the model is for: x86, arm64, pizero2"):
        target_named(HOST)


@pytest.mark.parametrize(
    ("wrong", "closest"),
    [("rpi5", "pi5"), ("Pi4", "pi4"), ("raspberrypi-4", "pi4"), ("jetsn", "jetson"), ("hots", "host")],
)
def test_a_misspelt_target_is_answered_with_the_closest(wrong: str, closest: str) -> None:
    with pytest.raises(UsageError, match=rf"--target must be one of host, .*, got {wrong}; did you mean {closest}\?"):
        target_named(wrong)


def test_a_target_like_no_other_is_answered_with_the_list_alone() -> None:
    with pytest.raises(UsageError, match=r"got toaster$"):
        target_named("toaster")


def test_the_option_takes_names_and_ids_and_names_the_closest() -> None:
    option = TargetName()
    assert option.convert("pi5", None, None) == "pi5"
    assert option.convert("raspberry-pi-5", None, None) == "raspberry-pi-5"
    with pytest.raises(click.BadParameter, match="did you mean pi5"):
        option.convert("rpi5", None, None)


def test_the_option_costs_no_numpy_and_no_profile() -> None:
    code = (
        "import sys, hawklet_hardware.target_option as t; t.TargetName().convert('pi5', None, None); "
        "print(sorted({'numpy', 'tomllib', 'hawklet_hardware.boards'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_table_of_targets_says_what_the_profiles_say(repository: Path) -> None:
    text = (repository / "hardware" / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.partition("## Targets")[2].partition("##")[0].splitlines() if line.startswith("| `")]
    signs = {"S8": "signed (S8S8)", "U8": "unsigned (U8S8)"}
    short = {"TensorrtExecutionProvider": "TensorRT", "CUDAExecutionProvider": "CUDA", "CPUExecutionProvider": "CPU"}
    expected = [
        f"| `{alias}` | {profile.name} | {signs[profile.onnx_activation]} | {profile.threads} | "
        f"{profile.engine.value} | {', '.join(short[name] for name in profile.delegate[ModelFormat.ONNX])} |"
        for profile in profiles()
        for alias in profile.aliases
    ]
    assert sorted(rows) == sorted(expected)
    assert all(profile.delegate[ModelFormat.TFLITE] == ("XNNPACK",) for profile in profiles())
