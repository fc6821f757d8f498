"""Which classes are taken for each other."""

from __future__ import annotations

from hawklet_trainer.evaluation.confused_pairs import confused_pairs

LABELS = ("ant", "bee", "cat")


def test_both_directions_count_and_the_worse_one_comes_first() -> None:
    first, second = confused_pairs([[9, 1, 0], [4, 5, 1], [0, 0, 7]], LABELS)
    assert (first.first, first.second, first.first_as_second, first.second_as_first) == ("bee", "ant", 4, 1)
    assert (first.pictures, first.first_pictures, first.second_pictures) == (5, 10, 10)
    assert (second.first, second.second, second.pictures) == ("bee", "cat", 1)


def test_a_perfect_model_confuses_nothing() -> None:
    assert confused_pairs([[3, 0, 0], [0, 3, 0], [0, 0, 3]], LABELS) == ()


def test_of_many_pairs_the_worst_are_kept() -> None:
    assert [pair.pictures for pair in confused_pairs([[0, 3, 1], [0, 0, 2], [0, 0, 0]], LABELS, most=2)] == [3, 2]
