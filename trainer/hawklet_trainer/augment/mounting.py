"""A camera put up by hand: a little turned, a little askew, and not quite aimed."""

from __future__ import annotations

import math

import torch
from torchvision.transforms import v2

from hawklet_trainer.augment.draws import uniform

LEAST_AREA = 0.6
"""Smallest share of the picture that is cut out."""
MOST_TURN = 7.0
"""Degrees; what is put up by eye and not by a level is rarely more askew."""
MOST_KEYSTONE = 0.04
"""How far a corner lies inwards, shares of the side: a camera that is tilted by up to about 10 degrees."""

Corners = list[list[float]]
"""x and y of the top left, top right, bottom right and bottom left corner, pixels."""


def mount(picture: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """See a part of a picture from a little askew; the part lies within it, so nothing is made up at the edges.

    Args:
        picture: ``uint8 [C, H, W]``.
        height: To give, pixels.
        width: Likewise.

    Returns:
        ``uint8 [C, height, width]``.
    """
    rows, columns = picture.shape[-2:]
    whole = [[0.0, 0.0], [columns - 1.0, 0.0], [columns - 1.0, rows - 1.0], [0.0, rows - 1.0]]
    seen: torch.Tensor = v2.functional.perspective(
        picture, random_corners(rows, columns), whole, v2.InterpolationMode.BILINEAR
    )
    return v2.functional.resize(seen, [height, width], antialias=True)  # type: ignore[no-any-return]


def random_corners(rows: int, columns: int) -> Corners:
    """Of what is seen, within a picture of so many pixels."""
    turn = math.radians(uniform(-MOST_TURN, MOST_TURN))
    cos, sin = math.cos(turn), math.sin(turn)
    side = math.sqrt(uniform(LEAST_AREA, 1.0))
    wide, high = side * (columns - 1), side * (rows - 1)
    # Turned, it needs more room than it has sides; where there is none, it is made smaller.
    room_wide, room_high = wide * cos + high * abs(sin), high * cos + wide * abs(sin)
    fit = min(1.0, (columns - 1) / room_wide, (rows - 1) / room_high)
    x = uniform(room_wide * fit / 2, columns - 1 - room_wide * fit / 2)
    y = uniform(room_high * fit / 2, rows - 1 - room_high * fit / 2)
    corners = []
    for right, down in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)):
        inwards = 1.0 - 2.0 * uniform(0.0, MOST_KEYSTONE)
        across, along = right * wide * fit * inwards, down * high * fit * inwards
        corners.append([x + across * cos - along * sin, y + across * sin + along * cos])
    return corners
