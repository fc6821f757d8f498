"""The processes that train together: what each must know, and what they must agree on.

One process trains alone. Several, started by Lightning Fabric or torchrun, each take a share of every batch; gradients
are averaged by torch's DistributedDataParallel (S. Li et al., "PyTorch Distributed", 2020) and whatever decides the
training's course is summed over all of them, so that all take the same one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import nn

from hawklet.errors import ProcessLostError, UsageError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


_T = TypeVar("_T")
_PATIENCE = timedelta(days=2)
"""For one process, while the others wait: it may have a set to bring in, or a report to write."""
_BACKENDS = ("gloo", "nccl")
"""Named in the message of a RuntimeError that gloo or NCCL raises within a backward pass, where torch has no type."""
_GONE = ("closed", "reset by peer", "broken pipe", "refused", "timed out", "remote process exited", "remote error")
"""What their messages, and those of torch's own types, say where another process cannot be reached any more."""


def training_device() -> torch.device:
    """The GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Processes:
    """One process alone; see :class:`Together` for one of several."""

    rank = 0
    """Number of this process."""
    world = 1
    """How many there are."""
    devices = 1
    """How many there are on each machine."""
    nodes = 1
    """Machines."""

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and tells the user."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return training_device()

    def wrap(self, net: nn.Module) -> nn.Module:
        """What to call in place of ``net`` while it learns: its gradients come out averaged over all processes."""
        return net

    def keeping_gradients(self, wrapped: nn.Module) -> AbstractContextManager[Any]:
        """Context of a backward pass whose gradients are not averaged yet, since others are to be added."""
        return nullcontext()

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """``values`` of all processes together."""
        return values

    def gather(self, value: int) -> list[int]:
        """That number of each process."""
        return [value]

    def gather_rows(self, rows: torch.Tensor, count: int) -> torch.Tensor:
        """All rows, of which this process has every ``world``-th, beginning with its rank.

        Args:
            rows: ``[n, ...]``.
            count: How many there are in all processes together.
        """
        return rows

    def share_buffers(self, net: nn.Module) -> None:
        """Give all processes the first one's statistics of batch norms, of which each has gathered its own."""

    def same(self, value: _T) -> _T:
        """What the first process gives here, whatever the others do."""
        return value

    def wait(self) -> None:
        """Until all processes have come here."""


ALONE = Processes()


class Together(Processes):
    """One of several processes, each with a device of its own."""

    def __init__(self, fabric: Fabric, devices: int, nodes: int):
        self._fabric, self.devices, self.nodes = fabric, devices, nodes
        self.rank, self.world = fabric.global_rank, fabric.world_size

    @property
    def device(self) -> torch.device:
        return self._fabric.device

    def wrap(self, net: nn.Module) -> nn.Module:
        from torch.nn.parallel import DistributedDataParallel

        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(net, device_ids=ids)

    def keeping_gradients(self, wrapped: nn.Module) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = wrapped.no_sync()  # type: ignore[operator]  # it is wrapped
        return context

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return cast("torch.Tensor", self._fabric.all_reduce(values.to(self.device), reduce_op="sum"))

    def gather(self, value: int) -> list[int]:
        return [int(number) for number in self._of_each(torch.tensor([value]))[:, 0]]

    def gather_rows(self, rows: torch.Tensor, count: int) -> torch.Tensor:
        most = -(-count // self.world)
        padded = rows.new_zeros(most, *rows.shape[1:])
        padded[: len(rows)] = rows
        return self._of_each(padded).transpose(0, 1).flatten(0, 1)[:count]

    def _of_each(self, tensor: torch.Tensor) -> torch.Tensor:
        mine = tensor.to(self.device)
        gathered = [torch.empty_like(mine) for _ in range(self.world)]
        torch.distributed.all_gather(gathered, mine)
        return torch.stack(gathered)

    def share_buffers(self, net: nn.Module) -> None:
        for buffer in net.buffers():
            torch.distributed.broadcast(buffer, src=0)

    def same(self, value: _T) -> _T:
        return self._fabric.broadcast(value)

    def wait(self) -> None:
        self._fabric.barrier()


@contextmanager
def telling_of_lost_processes(way_out: str = "") -> Iterator[None]:
    """Say in one line what it means that the others cannot be reached; it shows wherever something is summed.

    Args:
        way_out: What to do then, for the message.

    Raises:
        ProcessLostError: a process that trains with this one has ended.
    """
    try:
        yield
    except RuntimeError as error:
        if not _is_of_loss(error):
            raise
        raise ProcessLostError(
            "processes that train together must all stay until the end, and one of the others has ended; see its own "
            f"message{way_out and f', and {way_out}'}"
        ) from error


def _is_of_loss(error: RuntimeError) -> bool:
    text = str(error).lower()
    typed = torch.distributed.is_available() and isinstance(error, torch.distributed.DistError)
    return (typed or any(name in text for name in _BACKENDS)) and any(words in text for words in _GONE)


def start(devices: int, nodes: int) -> Processes:
    """Start the processes that are to train together, each of which comes back from here, with its own rank.

    The others run the same command again. Within torchrun they are there already.

    Args:
        devices: Processes on each machine; each takes a GPU where there are any, else a share of the cores.
        nodes: Machines.

    Raises:
        UsageError: there are fewer GPUs than that, or torchrun started other numbers.
    """
    _require_agreement(devices, nodes)
    if devices * nodes == 1:
        return ALONE
    if nodes > 1 and "MASTER_ADDR" not in os.environ:
        raise UsageError(
            f"--nodes {nodes} needs a process on every machine that knows where the first is; start it on each with "
            f"torchrun --nnodes {nodes} --rdzv-endpoint HOST:29500 (see docs/train.md)"
        )
    gpus = torch.cuda.device_count()
    if gpus and devices > gpus:
        raise UsageError(f"--devices must be at most the {gpus} GPU(s) of this machine, got {devices}")
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it would announce itself
    strategy = DDPStrategy(timeout=_PATIENCE)
    fabric = Fabric(accelerator="cuda" if gpus else "cpu", devices=devices, num_nodes=nodes, strategy=strategy)
    fabric.launch()
    return Together(fabric, devices, nodes)


def _require_agreement(devices: int, nodes: int) -> None:
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    here, everywhere = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    if (devices, devices * nodes) != (here, everywhere):
        raise UsageError(
            f"--devices and --nodes must be what torchrun started, which is {here} process(es) here and {everywhere} "
            f"in all, got --devices {devices} --nodes {nodes}"
        )
