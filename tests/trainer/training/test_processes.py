"""Processes that train together learn what one alone would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from hawklet.errors import ProcessLostError, UsageError
from hawklet_trainer.data import read_photos
from hawklet_trainer.training.loop import Execution, fine_tune
from hawklet_trainer.training.processes import start, telling_of_lost_processes
from hawklet_trainer.training.speed import Speed
from hawklet_trainer.training.terms import TrainConfig
from tiny_networks import SCALE, SPEC, ZERO_POINT, TinyNet

_LOST = """
import json, os, signal, sys
sys.path[:0] = json.loads(sys.argv[1])
import torch
from hawklet.errors import ProcessLostError
from hawklet_trainer.training.processes import start, telling_of_lost_processes

processes = start(2, 1)
wrapped = processes.wrap(torch.nn.Linear(2, 2))
if not processes.is_first:
    os.kill(os.getpid(), signal.SIGKILL)
for use in (lambda: processes.sum(torch.ones(1)), lambda: wrapped(torch.ones(1, 2)).sum().backward()):
    try:
        with telling_of_lost_processes("train again"):
            use()
    except ProcessLostError as error:
        print(error, flush=True)
"""
_PROGRAM = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
import torch
torch.set_num_threads(1)
from pathlib import Path
from hawklet_trainer.data import PixelSource, read_photos
from hawklet_trainer.training.loop import Execution, fine_tune
from hawklet_trainer.training.processes import start
from hawklet_trainer.training.speed import Speed
from hawklet_trainer.training.checkpoint import Checkpoint
from hawklet_trainer.training.terms import Progress, TrainConfig
from tiny_networks import SCALE, SPEC, ZERO_POINT, TinyNet

folder, out = Path(sys.argv[2]), Path(sys.argv[3])
processes = start(2, 1)
seen = []
plain = PixelSource.batches
def batches(self, order, begin=0):
    for chosen, pixels in plain(self, order, begin):
        if len(self) == 24:
            seen.extend(chosen.tolist())
        yield chosen, pixels
PixelSource.batches = batches
torch.manual_seed(0)
net = TinyNet(3)
config = TrainConfig.from_plain({**json.loads(sys.argv[4]), "augment": "none", "flip": False})
class Breaks(Progress):
    steps = 0
    def step(self, step):
        self.steps += 1
        if self.steps == int(sys.argv[5]):
            raise KeyboardInterrupt

Checkpoint.save_now_and_then = Checkpoint.save
how = Execution(Speed(), checkpoint=out / "state.safetensors", processes=processes)
photos = read_photos(folder)
try:
    history = fine_tune(net, photos, SPEC, ZERO_POINT, SCALE, config, progress=Breaks(), execution=how)
except KeyboardInterrupt:
    torch.manual_seed(9)
    net = TinyNet(3)
    history = fine_tune(net, photos, SPEC, ZERO_POINT, SCALE, config, execution=how)
record = history.records[-1]
facts = {"seen": seen, "weights": {name: tensor.flatten().tolist() for name, tensor in net.state_dict().items()},
         "curve": [record.train_loss, record.train_top1, record.val_loss, record.val_top1]}
(out / f"{processes.rank}.json").write_text(json.dumps(facts))
"""


@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_learn_what_one_does_and_see_every_picture_once(
    colour_photos: Path, tmp_path: Path, accumulate: int
) -> None:
    options = {"epochs": 2, "batch": 8, "accumulate": accumulate, "optimizer": "sgd", "lr": 0.05}
    options |= {"freeze_batch_norm": True, "dropout": 0.0}  # what is hidden is each process's own chance
    first, second = _run_two(colour_photos, tmp_path, options)
    assert sorted(first["seen"] + second["seen"]) == sorted(2 * list(range(24)))
    assert first["weights"] == second["weights"] and first["curve"] == second["curve"]

    photos = read_photos(colour_photos)
    assert len(photos.items("train")) == 24
    torch.manual_seed(0)
    net = TinyNet(3)
    config = TrainConfig.from_plain({**options, "augment": "none", "flip": False})
    history = fine_tune(net, photos, SPEC, ZERO_POINT, SCALE, config, execution=Execution(Speed()))
    for name, tensor in net.state_dict().items():
        assert first["weights"][name] == pytest.approx(tensor.flatten().tolist(), abs=1e-4)
    record = history.records[-1]
    alone = [record.train_loss, record.train_top1, record.val_loss, record.val_top1]
    assert first["curve"] == pytest.approx(alone, rel=1e-3)


def test_two_processes_that_broke_off_within_an_epoch_go_on_to_the_same_bits(
    colour_photos: Path, tmp_path: Path
) -> None:
    """Whole batches of seven are shared unevenly, and what dropout hides is each process's own chance."""
    options = {"epochs": 2, "batch": 7, "lr": 0.01}
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole, _ = _run_two(colour_photos, tmp_path / "whole", options)
    broken, _ = _run_two(colour_photos, tmp_path / "broken", options, breaks_at=6)
    assert broken["weights"] == whole["weights"] and broken["curve"] == whole["curve"]


def test_a_process_whose_other_one_was_killed_says_so_in_one_sentence(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(_LOST)
    told = [sys.executable, str(program), json.dumps(sys.path)]
    done = subprocess.run(told, capture_output=True, text=True, timeout=300, env=_alone())
    said = done.stdout.splitlines()
    assert (
        done.returncode == 0
        and len(said) == 2
        and all(line.endswith("has ended; see its own message, and train again") for line in said)
    )


def test_an_error_that_is_not_of_the_connection_is_left_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"), telling_of_lost_processes():
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    with pytest.raises(torch.distributed.DistBackendError), telling_of_lost_processes():
        raise torch.distributed.DistBackendError("NCCL error: invalid usage, Duplicate GPU detected")
    with pytest.raises(ProcessLostError), telling_of_lost_processes():
        raise torch.distributed.DistNetworkError("the client socket has timed out")


def _run_two(photos: Path, out: Path, options: dict[str, object], breaks_at: int = 0) -> tuple[dict[str, Any], ...]:
    """What each of two processes came to; the first starts the second by itself, as the command would."""
    program = out / "program.py"
    program.write_text(_PROGRAM)
    told = [json.dumps(sys.path), str(photos), str(out), json.dumps(options), str(breaks_at)]
    subprocess.run([sys.executable, str(program), *told], check=True, timeout=300, env=_alone())
    return tuple(json.loads((out / f"{rank}.json").read_text()) for rank in (0, 1))


def _alone() -> dict[str, str]:
    """The environment without what a launcher of this very process may have left."""
    left = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
    return {name: value for name, value in os.environ.items() if name not in left}


def test_other_numbers_than_torchruns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=r"2 process.* here and 4"):
        start(2, 1)


def test_several_machines_without_a_meeting_place_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(UsageError, match="torchrun --nnodes 2"):
        start(1, 2)


def test_more_devices_than_gpus_are_refused_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match=r"at most the 1 GPU"):
        start(2, 1)
