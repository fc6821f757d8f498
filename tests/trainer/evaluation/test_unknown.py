"""Pictures of no class: the bound on their energy, and which folders of them are taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hawklet.acceptance import energy_of
from hawklet.errors import DataError
from hawklet_trainer.evaluation.unknown import fit_energy, read_unknown, separate

LABELS = ("cat", "dog")


@pytest.mark.parametrize(
    ("count", "accepts", "kept"),
    [(99, 0.95, 95), (100, 0.95, 96), (19, 0.95, 19), (10, 0.95, 10), (50, 1.0, 50), (199, 0.5, 100)],
)
def test_the_bound_is_the_energy_of_the_conformal_rank(count: int, accepts: float, kept: int) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (count, 4)).astype(np.float32)
    rule = fit_energy(logits, 0.7, accepts)
    assert rule.accepts == accepts
    assert (energy_of(logits, 0.7) <= rule.threshold).sum() == kept


def test_new_pictures_of_the_classes_keep_the_bound_as_often_as_was_asked() -> None:
    random = np.random.default_rng(1)
    shares = []
    for _ in range(200):
        rule = fit_energy(random.normal(5, 2, (60, 3)), 1.0, 0.9)
        shares.append((energy_of(random.normal(5, 2, (200, 3)), 1.0) <= rule.threshold).mean())
    assert 0.895 < np.mean(shares) < 0.92


def test_the_energy_tells_small_logits_where_the_softmax_sees_nothing() -> None:
    random = np.random.default_rng(2)
    known = random.normal([8.0, 2.0], 0.2, (80, 2))
    unknown = random.normal([3.0, -3.0], 0.2, (40, 2))
    energy, largest, softmax = separate(known, known, unknown, 1.0, 0.95)
    assert (energy.score, energy.auroc, energy.rejected) == ("energy", 100.0, 100.0)
    assert largest.auroc == 100.0
    assert softmax.auroc < 50


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """Three pictures, one of them in a folder below, and a file that is none."""
    folder = tmp_path / "strange"
    (folder / "below").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.jpg", "below/c.png")):
        noise = np.random.default_rng(number).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_pictures_are_found_in_a_folder_and_below_it_and_broken_ones_left_out_by_name(strange: Path) -> None:
    (strange / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    found = read_unknown(strange, LABELS, {})
    assert [photo.place.name_below(strange) for photo in found.photos] == ["a.png", "b.jpg", "below/c.png"]
    assert all(photo.label_index < 0 for photo in found.photos)
    assert len(found.warnings) == 1
    assert "broken.jpg" in found.warnings[0]


def test_the_models_own_pictures_are_refused_by_their_contents(strange: Path) -> None:
    known = {read_unknown(strange, LABELS, {}).photos[1].sha256: "train"}
    with pytest.raises(DataError, match=r"got 1 of them in .* \(the first: b.jpg, in train\)"):
        read_unknown(strange, LABELS, known)


def test_a_folder_named_as_a_class_is_refused(strange: Path) -> None:
    (strange / "below").rename(strange / "dog")
    with pytest.raises(DataError, match=r"got a folder 'dog'.*rename it"):
        read_unknown(strange, LABELS, {})


@pytest.mark.parametrize(("name", "words"), [("nowhere", "there is no folder"), ("empty", "got none to read")])
def test_a_folder_without_pictures_is_refused(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=words):
        read_unknown(tmp_path / name, LABELS, {})
