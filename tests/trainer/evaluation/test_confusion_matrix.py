"""The confusion matrix, of few and of many classes."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from hawklet_trainer.evaluation import confusion_matrix
from hawklet_trainer.evaluation.metrics import Metrics, measure


def _metrics(classes: int, pictures: int = 400, name: str = "class") -> Metrics:
    random = np.random.default_rng(0)
    truth = random.integers(0, classes, pictures)
    named = np.where(random.random(pictures) < 0.7, truth, random.integers(0, classes, pictures))
    return measure(truth, np.eye(classes)[named], [f"{name} {number}" for number in range(classes)])


def test_the_table_has_the_counts_and_the_shares_of_their_rows() -> None:
    metrics = measure(np.array([0, 0, 0, 1]), np.eye(2)[[0, 0, 1, 1]], ("a", "b"))
    rows = confusion_matrix.table(metrics)
    assert [[cell.count for cell in row] for row in rows] == [[2, 1], [0, 1]]
    assert rows[0][0].share == 2 / 3 and rows[1][0].share == 0


def test_the_drawing_of_many_classes_has_a_square_for_every_cell_with_pictures_and_escapes_names() -> None:
    metrics = _metrics(100, name="<i>")
    drawn = confusion_matrix.drawing(metrics)
    filled = int((np.array(metrics.confusion) > 0).sum())
    assert drawn.count("<title>") == filled and "<i>" not in drawn and drawn.count("<text") == 200


def test_the_drawing_of_very_many_classes_stays_small() -> None:
    drawn = confusion_matrix.drawing(_metrics(1000, 40_000))
    assert len(drawn) < 1_500_000 and "<text" not in drawn


def test_long_names_lose_their_middle() -> None:
    shown = [confusion_matrix.shortened(f"a very long name of a class, number {n}") for n in (1, 2)]
    assert len(set(shown)) == 2 and max(map(len, shown)) <= 22


def test_the_picture_file_of_a_hundred_classes_is_no_wider_than_a_screen_can_show() -> None:
    picture = Image.open(io.BytesIO(confusion_matrix.png(_metrics(100))))
    assert picture.format == "PNG" and max(picture.size) < 2600
