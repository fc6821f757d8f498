"""``hawklet models`` and ``hawklet weights``, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hawklet.cli import main
from hawklet_trainer.models.registry import MODELS

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on a terminal of 80 columns, with nothing kept and no weights; gives code, output and errors."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        output = capfd.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return call


def test_all_networks_are_listed_within_80_columns(run: Run) -> None:
    code, out, _ = run("models")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1 : len(MODELS) + 1]] == list(MODELS)
    assert max(len(line.rstrip()) for line in lines[: len(MODELS) + 1]) <= 80
    by_name = {line.split()[0]: line.split() for line in lines[1 : len(MODELS) + 1]}
    assert by_name["efficientnet_lite2"][1:] == ["260", "6.1", "M", "860", "M", "-", "wheel"]
    assert by_name["mobilenet_v3_small"][6:8] == ["-", "hard-swish"]
    assert "hawklet models --measure" in out


def test_what_was_measured_once_is_shown_from_then_on(run: Run, tmp_path: Path) -> None:
    code, _, err = run("models", "shufflenet_v2_x0_5", "--measure", "--json", "figures.json")
    assert code == 0 and err == "measuring shufflenet_v2_x0_5\n"
    written = json.loads((tmp_path / "figures.json").read_text())
    (facts,) = written["models"]
    assert written["schema"] == "hawklet-models/1" and facts["latency_ms"] > 0
    assert facts["weights"]["here"] is False and facts["weights"]["sources"] == ["download.pytorch.org"]
    again = run("models", "shufflenet_v2_x0_5", "mnasnet0_5")[1].splitlines()
    assert again[1].split()[6] == f"{facts['latency_ms']:.1f}" and again[2].split()[6] == "-"


def test_weights_that_are_here_are_said_to_be(run: Run, tmp_path: Path) -> None:
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / "squeezenet1_1-b8a52dc0.pth").touch()
    assert run("models", "squeezenet1_1")[1].splitlines()[1].split()[-1] == "here"
    assert "squeezenet1_1-b8a52dc0.pth, in the cache" in run("weights", "list")[1]


def test_a_network_of_the_users_own_is_listed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "listed_net.py").write_text(
        "from torch import nn\n\n\ndef build(classes):\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))\n"
    )
    code, out, _ = run("models", "listed_net:build", "--measure")
    assert code == 0 and "its own" in out.splitlines()[1]
    assert not (tmp_path / "cache").exists()


def test_an_unknown_network_is_refused_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    code, _, err = run("models", "resnet19", "--json", "figures.json")
    assert code == 2 and "did you mean resnet18?" in err
    assert not (tmp_path / "figures.json").exists()


def test_weights_of_a_network_of_the_users_own_cannot_be_fetched(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fetched_net.py").write_text("def build(classes):\n    return None\n")
    code, _, err = run("weights", "fetch", "fetched_net:build")
    assert code == 2 and "no published weights" in err


def test_a_latency_that_cannot_be_kept_is_shown_all_the_same(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    code, out, _ = run("models", "shufflenet_v2_x0_5", "--measure")
    assert code == 0 and out.splitlines()[1].split()[6] != "-"
