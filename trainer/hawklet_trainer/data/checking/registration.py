"""Whether two small grey pictures show the same picture, once one is laid over the other.

One is shifted and scaled until it covers the other best (Gauss-Newton on the normalized correlation, as Evangelidis and
Psarakis, "Parametric image alignment using enhanced correlation coefficient maximization", 2008). Two photos of like
scenes agree in their large shapes then; only copies agree in what is finer, and nowhere differ by much.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Stack = npt.NDArray[np.float32]
"""``float32 [N, S, S]``, grey."""

_STEPS = 3
_MARGIN = 2
"""Pixels at the edge that are not compared, since what lay beyond was cut off."""
_SMOOTH, _FINE = 3, (5, 9)
"""What a mean over 3 x 3 pixels has beyond a mean over 5 x 5, and beyond one over 9 x 9, is compared: detail that is
still there in a copy of half the size, without what encoding does to single pixels."""
_SAME_DETAIL = 0.9
"""Correlation of detail, mean of both, from which pictures are the same. Of 4,000 real ones no two others came above
0.87; of copies that were encoded, resized, cropped and brightened all at once 1 % came below 0.92."""
_MOST_SCALED, _MOST_SHIFTED, _LONGEST_STEP = 0.25, 0.12, 0.08
_BLOCK = 4
_LOCAL_DIFFERENCE, _LOCAL_CONTRAST, _USUAL = 0.15, 8.0, 0.75
"""A block that differs by more than this share of the picture's contrast, and by so many times what three quarters of
the blocks differ by at most, holds something that the other picture lacks."""
_DAMPING = 1e-3


def same_picture(first: Stack, second: Stack, begin: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Judge pairs.

    Args:
        first: What is moved.
        second: What it is laid over.
        begin: ``float32 [N, 4]``: scale and shift of the columns, then of the rows, in shares of the side, that the
            search begins with: the second picture's ``x`` is the first's ``scale * x + shift``, from the centre.

    Returns:
        ``bool [N]``.
    """
    if not len(first):
        return np.empty(0, bool)
    moved = _laid_over(first, second, begin)
    same: npt.NDArray[np.bool_] = np.logical_and(
        _likeness_of_detail(moved, second) >= _SAME_DETAIL, ~_differ_locally(moved, second)
    )
    return same


def _laid_over(first: Stack, second: Stack, begin: npt.NDArray[np.float32]) -> Stack:
    """The first pictures moved to where they cover the second best."""
    parameters = begin.copy()
    target = _unit(_inner(second))
    best = np.full(len(first), -1.0, np.float32)
    result: Stack = first.copy()
    for step in range(_STEPS + 1):
        moved = _move(first, parameters)
        likeness = (_unit(_inner(moved)) * target).sum(axis=1)
        better = likeness > best
        best[better], result[better] = likeness[better], moved[better]
        if step < _STEPS:
            parameters = _bounded(parameters + _step(moved, target, parameters))
    return result


def _bounded(parameters: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    parameters[:, [0, 2]] = parameters[:, [0, 2]].clip(1 - _MOST_SCALED, 1 + _MOST_SCALED)
    parameters[:, [1, 3]] = parameters[:, [1, 3]].clip(-_MOST_SHIFTED, _MOST_SHIFTED)
    return parameters


def _step(
    moved: Stack, target: npt.NDArray[np.float32], parameters: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """What Gauss-Newton changes the parameters by."""
    side = moved.shape[1]
    place = (((np.arange(side) + 0.5) / side - 0.5)[_MARGIN:-_MARGIN]).astype(np.float32)
    # Gradients of the moved picture are the first's own times the scale.
    across = _inner(np.gradient(moved, axis=2)) * side / parameters[:, 0, None, None]
    down = _inner(np.gradient(moved, axis=1)) * side / parameters[:, 2, None, None]
    slopes = np.stack((across * place, across, down * place[:, None], down), axis=1).reshape(len(moved), 4, -1)
    flat = _inner(moved).reshape(len(moved), -1)
    length = np.maximum(np.linalg.norm(flat - flat.mean(axis=1, keepdims=True), axis=1), 1e-6)
    slopes = (slopes - slopes.mean(axis=2, keepdims=True)) / length[:, None, None]
    now = _unit(_inner(moved))
    slopes -= (slopes @ now[:, :, None]) * now[:, None, :]
    normal = slopes @ slopes.transpose(0, 2, 1) + _DAMPING * np.eye(4, dtype=np.float32)
    change = np.linalg.solve(normal, slopes @ (target - now)[:, :, None])[:, :, 0]
    return change.clip(-_LONGEST_STEP, _LONGEST_STEP)


def _move(stack: Stack, parameters: npt.NDArray[np.float32]) -> Stack:
    side = stack.shape[1]
    columns = _interpolation(parameters[:, 0], parameters[:, 1], side)
    rows = _interpolation(parameters[:, 2], parameters[:, 3], side)
    moved: Stack = rows @ stack @ columns.transpose(0, 2, 1)
    return moved


def _interpolation(scale: npt.NDArray[np.float32], shift: npt.NDArray[np.float32], side: int) -> Stack:
    """Linear interpolation along one axis as matrices, ``[N, side, side]``."""
    place = (np.arange(side) + 0.5) / side - 0.5
    source = ((scale[:, None] * place + shift[:, None] + 0.5) * side - 0.5).clip(0, side - 1)
    left = np.minimum(source.astype(np.int64), side - 2)
    share = (source - left).astype(np.float32)
    matrices = np.zeros((len(scale), side, side), np.float32)
    which, row = np.arange(len(scale))[:, None], np.arange(side)
    matrices[which, row, left] = 1 - share
    matrices[which, row, left + 1] += share
    return matrices


def _inner(stack: Stack) -> Stack:
    return stack[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def _unit(stack: Stack) -> npt.NDArray[np.float32]:
    """Without mean and of length 1, ``[N, pixels]``."""
    flat = stack.reshape(len(stack), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return unit


def _likeness_of_detail(first: Stack, second: Stack) -> npt.NDArray[np.float32]:
    first, second = _mean(first, _SMOOTH), _mean(second, _SMOOTH)
    likeness = [
        (_unit(_inner(first - _mean(first, width))) * _unit(_inner(second - _mean(second, width)))).sum(axis=1)
        for width in _FINE
    ]
    mean: npt.NDArray[np.float32] = np.mean(likeness, axis=0)
    return mean


def _mean(stack: Stack, width: int) -> Stack:
    """Of the ``width`` x ``width`` pixels around each."""
    half = width // 2
    padded = np.pad(stack, ((0, 0), (half + 1, half), (half + 1, half)), mode="edge")
    sums = padded.cumsum(axis=1)
    sums = (sums[:, width:] - sums[:, :-width]).cumsum(axis=2)
    mean: Stack = (sums[:, :, width:] - sums[:, :, :-width]) / width**2
    return mean


def _differ_locally(first: Stack, second: Stack) -> npt.NDArray[np.bool_]:
    """Whether some block differs far more than the rest: there was something there in one of the pictures alone."""
    side = first.shape[1] - 2 * _MARGIN
    scale = float(side)  # of unit vectors a pixel's standard deviation is 1 / side
    one, other = _unit(_inner(first)), _unit(_inner(second))
    gain = (one * other).sum(axis=1, keepdims=True)
    difference = np.abs(other - gain * one).reshape(len(one), side // _BLOCK, _BLOCK, side // _BLOCK, _BLOCK) * scale
    blocks = difference.mean(axis=(2, 4)).reshape(len(one), -1)
    most, usual = blocks.max(axis=1), np.quantile(blocks, _USUAL, axis=1)
    local: npt.NDArray[np.bool_] = (most > _LOCAL_DIFFERENCE) & (most > _LOCAL_CONTRAST * usual)
    return local
