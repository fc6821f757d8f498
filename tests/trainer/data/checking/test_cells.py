"""Vectors in cells: near ones are found, and no cell is left out."""

from __future__ import annotations

import numpy as np

from hawklet_trainer.data.checking.cells import Cells


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _clustered(count: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((40, 16))
    return _unit(centres[generator.integers(0, 40, count)] + 0.6 * generator.standard_normal((count, 16)))


def test_few_vectors_share_one_cell() -> None:
    cells = Cells(_clustered(500))
    assert len(cells) == 1 and cells.members(0).tolist() == list(range(500))


def test_every_vector_is_kept_in_three_cells() -> None:
    cells = Cells(_clustered(3000))
    kept = np.concatenate([cells.members(cell) for cell in range(len(cells))])
    assert (np.bincount(kept, minlength=3000) == 3).all()
    assert len(cells) == round(9000**0.5)


def test_members_of_a_cell_ascend() -> None:
    cells = Cells(_clustered(3000))
    assert all((np.diff(cells.members(cell)) > 0).all() for cell in range(len(cells)))


def test_a_vector_is_found_in_the_cell_of_one_near_to_it() -> None:
    vectors = _clustered(4000)
    near = _unit(vectors + 0.04 * np.random.default_rng(1).standard_normal(vectors.shape))
    cells = Cells(vectors)
    found = [position in cells.members(cell) for position, cell in enumerate(cells.cell_of(near))]
    assert np.mean(found) > 0.99


def test_equal_vectors_do_no_harm() -> None:
    cells = Cells(np.tile(_clustered(1), (3000, 1)))
    assert sum(len(cells.members(cell)) for cell in range(len(cells))) == 9000
