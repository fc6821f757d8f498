"""Which pictures stand for the others."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.place import Place
from hawklet_trainer.data.showing.sampling import pick, spread


@given(st.integers(0, 500), st.integers(1, 60), st.text(max_size=5))
def test_a_sample_is_spread_over_the_whole_and_has_none_twice(count: int, wanted: int, seed: str) -> None:
    chosen = spread(count, wanted, seed)
    assert len(chosen) == min(count, wanted) == len(set(chosen))
    assert chosen == sorted(chosen) and all(0 <= position < count for position in chosen)
    if count > wanted:
        assert all(
            count * number // wanted <= position < count * (number + 1) // wanted
            for number, position in enumerate(chosen)
        )


def _rows(**classes: int) -> list[IndexRow]:
    return [IndexRow(Place(Path(f"/{label}/{n}.png")), label) for label, count in classes.items() for n in range(count)]


def test_each_class_is_sampled_by_itself_and_all_of_them_together() -> None:
    rows = _rows(few=3, many=500)
    sample = pick(iter(rows), {"few": 3, "many": 500}, per_class=10, overall=50, seed=0)
    assert sample.by_class["few"] == rows[:3] and len(sample.by_class["many"]) == 10
    assert len(sample.overall) == 50
    assert set(sample.by_class["many"]) <= set(rows)


def test_the_seed_decides_and_a_new_class_does_not_change_what_the_others_show() -> None:
    rows = _rows(daisy=300)
    alone = pick(rows, {"daisy": 300}, 10, 20, seed=1).by_class["daisy"]
    assert alone == pick(rows, {"daisy": 300}, 10, 20, seed=1).by_class["daisy"]
    assert alone != pick(rows, {"daisy": 300}, 10, 20, seed=2).by_class["daisy"]
    beside = _rows(aster=100) + rows
    assert pick(beside, {"aster": 100, "daisy": 300}, 10, 20, seed=1).by_class["daisy"] == alone


def test_pictures_that_came_or_went_since_they_were_counted_do_no_harm() -> None:
    rows = _rows(daisy=5, new=2)
    sample = pick(rows, {"daisy": 30, "gone": 4}, per_class=30, overall=100, seed=0)
    assert sample.by_class == {"daisy": rows[:5], "gone": []}
    assert len(sample.overall) == 7
