"""Tied weights: one tensor under several names, which safetensors refuses to write."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def untied(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors as a safetensors file takes them: on the CPU, contiguous, and none in the memory of another.

    What is tied is written under each of its names, with the same values. A network that ties them loads them as they
    were, and one that does not any more loads them too.
    """
    written: dict[str, torch.Tensor] = {}
    taken: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        if plain.untyped_storage().data_ptr() in taken:
            plain = plain.clone()
        taken.add(plain.untyped_storage().data_ptr())
        written[name] = plain
    return written
