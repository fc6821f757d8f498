"""Stages, the times they go by, and what is matched between a pruned network and the unpruned one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hawklet.errors import ModelError
from hawklet.spec import ModelFormat, Pixels
from hawklet_converter.judge import judge
from hawklet_converter.kept_work import KeptWork
from hawklet_converter.latency_source import Files, LatencySource
from hawklet_converter.load_pictures import load_pictures
from hawklet_converter.pruning import pruner
from hawklet_converter.pruning.importance import Examples
from hawklet_converter.pruning.pruner import Pruner, Timer, rough_file
from hawklet_converter.pruning.recover import layers_that_read
from hawklet_converter.pruning.structure import Structure, find_structure, macs_of, remove_channels
from hawklet_converter.reestimate_batch_norm import reestimate_batch_norm
from hawklet_converter.request import ConvertRequest
from hawklet_converter.steps import Steps
from hawklet_converter.verify import open_classifier
from hawklet_converter.work import Work
from hawklet_trainer.run import load_run
from hawklet_trainer.training.distil import MatchedLayer
from tiny_networks import SPEC, TinyNet


@pytest.fixture(scope="module")
def work(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Work:
    run = load_run(tiny_run)
    photos = run.photos()
    request = ConvertRequest(tiny_run, prune=0.3)
    target = tmp_path_factory.mktemp("pruner") / "x.hawklet"
    return Work(request, run, photos, load_pictures(run, photos, 16), target, Steps(silent=True), 1)


@pytest.fixture
def kept(tmp_path: Path) -> KeptWork:
    return KeptWork(tmp_path / "kept", "test/1", {}, resume=False)


class Board:
    """Gets slower from call to call, as a board that gets hot; the other network takes 70 % of the unpruned one."""

    def __init__(self) -> None:
        self.calls = 0
        self.broken: set[bytes] = set()

    def measure(self, files: Files, pictures: Mapping[str, Pixels] | None = None) -> Mapping[str, float]:
        self.calls += 1
        shares = {name: 1.0 if content == b"whole" else 0.7 for name, (_, content) in files.items()}
        return {name: share * self.calls for name, share in shares.items() if files[name][1] not in self.broken}


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    monkeypatch.setattr(pruner, "rough_int8_tflite", lambda *_: b"a file")
    return Board()


def _timer(board: Board, work: Work, kept: KeptWork) -> Timer:
    return Timer(LatencySource("a board", board.measure), b"whole", work, kept)


def test_a_share_is_that_of_the_unpruned_network_in_the_same_call(
    board: Board, net: TinyNet, work: Work, kept: KeptWork
) -> None:
    first = _timer(board, work, kept)
    base = first.base_ms()
    assert [first.ms(net, SPEC) / base for _ in range(3)] == pytest.approx([0.7] * 3)
    later = _timer(board, work, kept)  # of the next stage, or after an interrupt
    assert later.ms(net, SPEC) / later.base_ms() == pytest.approx(0.7)
    assert later.base_ms() == base


@pytest.mark.parametrize(
    ("broken", "words"), [({b"a file"}, "one does not"), ({b"a file", b"whole"}, "the unpruned network's does not")]
)
def test_files_that_do_not_run_there_end_the_pruning_with_the_reason(
    broken: set[bytes], words: str, board: Board, net: TinyNet, work: Work, kept: KeptWork
) -> None:
    board.broken = broken
    source = LatencySource("a board", board.measure, {"other does not run there: no such operator": None})
    with pytest.raises(ModelError, match=rf"\(a board\), and {words}: other does not run there: no such operator"):
        timer = Timer(source, b"whole", work, kept)
        timer.base_ms()
        timer.ms(net, SPEC)


def test_a_rough_file_takes_pictures_and_answers_as_the_network(net: TinyNet, work: Work) -> None:
    classifier = open_classifier(rough_file(net, SPEC, work), ModelFormat.TFLITE, work.run.labels, SPEC)
    answers = np.array([classifier.raw_output(picture) for picture in work.pictures.val])
    assert np.mean(answers.reshape(len(answers), -1).argmax(1) == work.pictures.val_truth) > 0.8


def test_a_rough_file_of_a_smaller_input_takes_smaller_pictures(net: TinyNet, work: Work) -> None:
    spec = replace(SPEC, height=24, width=24)
    classifier = open_classifier(rough_file(net, spec, work), ModelFormat.TFLITE, work.run.labels, spec)
    assert classifier.raw_output(pruner.picture_for(work, spec)).size == 3


@pytest.mark.parametrize(
    ("start", "wanted", "expected"),
    [(1.0, 0.6, [0.6]), (1.0, 0.4, [0.7, 0.4]), (1.0, 0.1, [0.7, 0.4, 0.1]), (0.68, 0.7, [0.7])],
)
def test_large_cuts_are_made_in_equal_stages(
    start: float, wanted: float, expected: list[float], net: TinyNet, work: Work, kept: KeptWork
) -> None:
    assert Pruner(net, net, work, kept).stages(start, wanted) == pytest.approx(expected)


def test_a_stage_cuts_as_much_as_was_wanted_and_lets_what_stays_make_up_for_it(
    net: TinyNet, structure: Structure, examples: Examples, work: Work, kept: KeptWork
) -> None:
    by_macs = replace(work, request=ConvertRequest(work.request.run, prune_macs=0.3))
    pruner_of_macs = Pruner(net, net, by_macs, kept)
    pruned, stage = pruner_of_macs.prune(pruner_of_macs.whole, 0.7, "stage")
    assert 0.5 < macs_of(pruned.net, SPEC) / macs_of(net, SPEC) <= 0.7
    merely_cut = remove_channels(net, SPEC, stage.trial.removal(structure, stage.reached.widths))
    reestimate_batch_norm(merely_cut, examples.inputs)
    found, before = (_divergence(small, net, examples.inputs) for small in (pruned.net, merely_cut))
    assert found < 0.5 * before


def test_going_on_takes_the_fitted_weights_that_were_kept(
    net: TinyNet, work: Work, kept: KeptWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_macs = Pruner(net, net, replace(work, request=ConvertRequest(work.request.run, prune_macs=0.3)), kept)
    first, _ = by_macs.prune(by_macs.whole, 0.7, "stage")
    monkeypatch.setattr(pruner, "repair", lambda *_: pytest.fail("it was fitted already"))
    again, _ = by_macs.prune(by_macs.whole, 0.7, "stage")
    weights = again.net.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in first.net.state_dict().items())


@pytest.mark.parametrize(("room", "left"), [(8, ()), (2, ("head",))])
def test_a_head_is_not_fitted_without_a_picture_of_every_class(
    room: int, left: tuple[str, ...], net: TinyNet, work: Work, kept: KeptWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = max(layer.values for layer in find_structure(net, SPEC).layers)
    monkeypatch.setattr(pruner, "_MEMORY_MOST", room * 4 * largest)
    monkeypatch.setattr(pruner, "_FITTED_AT_LEAST", 2)
    fitted: list[tuple[int, tuple[str, ...]]] = []
    monkeypatch.setattr(pruner, "repair", lambda *given: fitted.append((len(given[4]), tuple(given[5]))))
    by_macs = Pruner(net, net, replace(work, request=ConvertRequest(work.request.run, prune_macs=0.3)), kept)
    by_macs.prune(by_macs.whole, 0.7, "stage")
    assert fitted == [(room, left)]


def _fitted_on(
    flip: bool, room: int, net: TinyNet, work: Work, kept: KeptWork, monkeypatch: pytest.MonkeyPatch
) -> tuple[torch.Tensor, tuple[str, ...]]:
    """The pictures, and the layers that were left, of a run that mirrors or does not, where so many have room."""
    config = {**work.run.manifest["training"]["config"], "flip": flip}
    run = replace(work.run, manifest={**work.run.manifest, "training": {"config": config}})
    largest = max(layer.values for layer in find_structure(net, SPEC).layers)
    monkeypatch.setattr(pruner, "_MEMORY_MOST", room * 4 * largest)
    monkeypatch.setattr(pruner, "_FITTED_AT_LEAST", 2)
    fitted: list[tuple[torch.Tensor, tuple[str, ...]]] = []
    monkeypatch.setattr(pruner, "repair", lambda *given: fitted.append((given[4], tuple(given[5]))))
    request = ConvertRequest(work.request.run, prune_macs=0.3)
    by_macs = Pruner(net, net, replace(work, run=run, request=request), kept)
    by_macs.prune(by_macs.whole, 0.7, "stage")
    return fitted[0]


@pytest.mark.parametrize("flip", [True, False])
def test_mirrored_pictures_are_fitted_on_where_the_run_mirrored_its_pictures(
    flip: bool, net: TinyNet, work: Work, kept: KeptWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, left = _fitted_on(flip, 8, net, work, kept, monkeypatch)
    assert len(pictures) == 8 and left == ()
    assert torch.equal(pictures[4:], pictures[:4].flip(-1)) is flip


def test_a_picture_of_every_class_comes_before_mirror_images(
    net: TinyNet, work: Work, kept: KeptWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, left = _fitted_on(True, 4, net, work, kept, monkeypatch)
    assert len(pictures) == 4 and left == ()  # three classes: three pictures, and the mirror image of the first
    assert torch.equal(pictures[3], pictures[0].flip(-1))


@pytest.mark.parametrize("room", [4, 5, 7])
def test_a_little_more_memory_does_not_make_another_network(
    room: int, net: TinyNet, work: Work, kept: KeptWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(_fitted_on(False, room, net, work, kept, monkeypatch)[0]) == 4


def _divergence(small: nn.Module, whole: nn.Module, inputs: torch.Tensor) -> float:
    with torch.no_grad():
        return judge(small(inputs).numpy(), whole(inputs).numpy()).divergence


def test_what_layers_read_is_known_by_channels_of_the_unpruned_network_after_two_stages(
    net: TinyNet, structure: Structure
) -> None:
    whole = copy.deepcopy(net)
    _mark(whole, "stem.0")
    _mark(whole, "block.2")
    gone = {"project.0": [0, 3, 5, 6, 9, 10, 12, 15], "block.2.0": [1, 2, 3, 4, 8, 9, 30, 31], "down.0.0": []}
    once = remove_channels(whole, SPEC, gone)
    matched = pruner._in_channels_of_the_first(None, layers_that_read(structure, gone))
    assert _reads(matched, "block.0.0") == _marks(once, "stem.0")
    assert _reads(matched, "project.0") == _marks(once, "block.2")

    again = find_structure(once, SPEC)
    assert "project.0" in again.kept, "it has eight channels left"
    gone = {"block.2.0": [0, 1, 2, 3, 5, 8, 13, 21], "down.0.0": list(range(8))}
    twice = remove_channels(once, SPEC, gone)
    matched = pruner._in_channels_of_the_first(matched, layers_that_read(again, gone))
    assert _reads(matched, "block.0.0") == _marks(twice, "stem.0")
    assert _reads(matched, "project.0") == _marks(twice, "block.2")
    assert len(_reads(matched, "head")) == 24


def _mark(net: nn.Module, name: str) -> None:
    """Number a batch norm's channels, so that those that remain tell which they were."""
    norm = net.get_submodule(f"{name}.1")
    assert isinstance(norm, nn.BatchNorm2d)
    with torch.no_grad():
        norm.bias.copy_(torch.arange(norm.num_features))


def _marks(net: nn.Module, name: str) -> list[int]:
    norm = net.get_submodule(f"{name}.1")
    assert isinstance(norm, nn.BatchNorm2d)
    return [int(mark) for mark in norm.bias]


def _reads(matched: tuple[MatchedLayer, ...], layer: str) -> list[int]:
    return list(next(one for one in matched if one.layer == layer).channels)
