"""A pruned network is taught by the unpruned one, which sees pictures in its own size."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from hawklet_converter.load_pictures import load_pictures
from hawklet_converter.pruning.recover import Lesson, layers_that_read, recover
from hawklet_converter.pruning.structure import Structure
from hawklet_converter.request import ConvertRequest
from hawklet_converter.steps import Steps
from hawklet_converter.work import Work
from hawklet_trainer.run import load_run
from hawklet_trainer.training.speed import Speed
from tiny_networks import SPEC, TinyNet


class Watching(TinyNet):
    """Remembers the sizes of pictures that it saw."""

    def __init__(self) -> None:
        super().__init__(3)
        self.seen: set[int] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.add(x.shape[-1])
        return super().forward(x)


@pytest.fixture(scope="module")
def work(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Work:
    run = load_run(tiny_run)
    photos = run.photos()
    target = tmp_path_factory.mktemp("recover") / "x.hawklet"
    pictures = load_pictures(run, photos, 16)
    return Work(ConvertRequest(tiny_run, prune=0.3), run, photos, pictures, target, Steps(silent=True), 1)


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a trial of which is faster."""
    monkeypatch.setattr("hawklet_trainer.training.loop.fastest_way", lambda *_: (Speed(), "float32"))


def test_a_teacher_sees_in_its_own_size_what_a_student_of_a_smaller_input_sees(
    net: TinyNet, structure: Structure, work: Work, tmp_path: Path
) -> None:
    teacher, student = Watching(), Watching()
    for network in (teacher, student):
        network.load_state_dict(net.state_dict())
    lesson = Lesson(teacher, layers_that_read(structure, {}), enlarged_to=(32, 32))
    spec = replace(SPEC, height=24, width=24)
    config, history = recover(student, spec, lesson, 1, 10.0, tmp_path / "kept", work)
    assert (student.seen, teacher.seen) == ({24}, {32})
    assert config.match_features > 0
    assert [record.epoch for record in history.records] == [0, 1]
    assert not any(m._forward_pre_hooks for network in (teacher, student) for m in network.modules())


def test_the_teacher_is_not_changed_by_teaching(net: TinyNet, structure: Structure, work: Work, tmp_path: Path) -> None:
    teacher, student = copy.deepcopy(net), copy.deepcopy(net)
    recover(student, SPEC, Lesson(teacher, layers_that_read(structure, {})), 1, 10.0, tmp_path / "kept", work)
    before = net.state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    assert not any(module.training for module in student.modules())


@pytest.mark.parametrize(
    ("trained", "augment", "lr", "expected"),
    [
        (True, "medium", 1e-2, ("light", 3e-4)),
        (True, "strong", 1e-2, ("light", 3e-4)),
        (True, "medium", None, ("light", 3e-4)),
        (True, "none", 5e-5, ("none", 1.5e-4)),
        (False, "medium", 1e-4, ("medium", 1e-3)),
    ],
)
def test_what_was_fitted_is_recovered_gently_and_random_weights_as_a_run_is_trained(
    trained: bool, augment: str, lr: float | None, expected: tuple[str, float], net: TinyNet, work: Work, tmp_path: Path
) -> None:
    config = {"augment": augment, "flip": False, "lr": lr}
    run = replace(work.run, manifest={**work.run.manifest, "training": {"config": config}})
    lesson = Lesson(net, (), trained=trained)
    found, _ = recover(copy.deepcopy(net), SPEC, lesson, 0, 10.0, tmp_path / "kept", replace(work, run=run))
    assert (found.augment.value, found.lr) == (expected[0], pytest.approx(expected[1]))
    assert found.mixing.value == "none"  # which strong does by itself


@pytest.mark.parametrize("trained", [True, False])
def test_statistics_that_were_measured_anew_stay_and_those_of_random_weights_are_learned(
    trained: bool, net: TinyNet, work: Work, tmp_path: Path
) -> None:
    student = copy.deepcopy(net) if trained else TinyNet(3)
    norm = student.get_submodule("down.0.1")
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None
    before = norm.running_mean.clone()
    recover(student, SPEC, Lesson(net, (), trained=trained), 2, 10.0, tmp_path / "kept", work)
    assert torch.equal(norm.running_mean, before) is trained
