"""Networks of which two layers share one weight."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from hawklet_trainer.models.tied_weights import untied
from hawklet_trainer.models.weights import read_tensors
from hawklet_trainer.run import save_weights


class _Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(x)))


def test_tied_weights_of_a_run_load_again_and_are_tied_as_before(tmp_path: Path) -> None:
    net, again = _Tied(), _Tied()
    save_weights(tmp_path / "best.safetensors", net, 0, 1.0)
    again.load_state_dict(read_tensors(tmp_path / "best.safetensors")[0])
    x = torch.randn(3, 4)
    assert torch.equal(again(x), net(x)) and again.second.weight is again.first.weight


@pytest.mark.parametrize("view", [lambda whole: whole[:2], lambda whole: whole.t(), lambda whole: whole])
def test_no_tensor_lies_in_the_memory_of_another(view: object) -> None:
    whole = torch.arange(9.0).reshape(3, 3)
    part = view(whole)  # type: ignore[operator] -- a function
    written = untied({"whole": whole, "part": part})
    assert written["whole"].untyped_storage().data_ptr() != written["part"].untyped_storage().data_ptr()
    assert torch.equal(written["part"], part) and written["part"].is_contiguous()
