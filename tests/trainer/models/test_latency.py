"""Latency: measured in one thread, kept for this machine and this torch, and for no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hawklet_trainer.models import latency
from hawklet_trainer.models.latency import KeptLatencies, measure
from hawklet_trainer.models.registry import MODELS
from tiny_networks import TinyNet

TINY = replace(MODELS["resnet18"], name="tiny", build=lambda classes, height, width: TinyNet(classes), side=32)


def test_a_measurement_takes_time_and_leaves_the_threads_as_they_were() -> None:
    torch.set_num_threads(2)
    try:
        assert 0 < measure(TINY) < 1000
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_what_was_kept_is_found_again_for_the_same_side_alone(tmp_path: Path) -> None:
    path = tmp_path / "hawklet" / "latency.json"
    assert KeptLatencies(path).get(TINY) is None
    KeptLatencies(path).keep(TINY, 1.5)
    assert KeptLatencies(path).get(TINY) == 1.5
    assert KeptLatencies(path).get(replace(TINY, side=64)) is None


def test_what_another_machine_measured_is_not_shown_and_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "latency.json"
    KeptLatencies(path).keep(TINY, 1.5)
    monkeypatch.setattr(latency, "processor_name", lambda: "another processor")
    assert KeptLatencies(path).get(TINY) is None
    KeptLatencies(path).keep(TINY, 9.0)
    monkeypatch.undo()
    assert KeptLatencies(path).get(TINY) == 1.5


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", '{"a": 1}', '{"%s": {"tiny 32": "fast"}}', '{"%s": {"tiny 32": NaN}}']
)
def test_a_damaged_file_is_as_if_nothing_had_been_measured(tmp_path: Path, content: str) -> None:
    path = tmp_path / "latency.json"
    path.write_text(content.replace("%s", latency.conditions()))
    kept = KeptLatencies(path)
    assert kept.get(TINY) is None
    kept.keep(TINY, 2.0)
    assert KeptLatencies(path).get(TINY) == 2.0


def test_a_network_of_the_users_own_is_not_kept_since_it_may_change(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    KeptLatencies(path).keep(replace(TINY, name="mine:build"), 1.5)
    assert not path.exists()
