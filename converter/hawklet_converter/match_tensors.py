"""Which tensor of an exported file is which activation of the network: told by their values, not by their names.

Exporters rename, fuse and reorder, and each does so in its own way and version. The values on real pictures do not
change, so a tensor is recognised by the moments of its values (:class:`hawklet_converter.collect_ranges.Fingerprint`).
Activations that cannot be told apart hold the same values, so that either's range is right.
"""

from __future__ import annotations

from collections.abc import Mapping

from hawklet_converter.collect_ranges import Fingerprint

TOLERANCE = 2e-3
"""Largest :meth:`Fingerprint.distance` of the same activation in two float runtimes."""


def match_tensors(net: Mapping[str, Fingerprint], file: Mapping[str, Fingerprint]) -> dict[str, str]:
    """Find the activation that each tensor of a file holds.

    Args:
        net: fx node name -> fingerprint, in graph order.
        file: Tensor name -> fingerprint of the float file on the same pictures.

    Returns:
        Tensor name -> fx node name; tensors that hold no activation of the network are absent.
    """
    found = {}
    for tensor, print_ in file.items():
        name, distance = min(
            ((name, candidate.distance(print_)) for name, candidate in net.items()), key=lambda pair: pair[1]
        )
        if distance <= TOLERANCE:
            found[tensor] = name
    return found
