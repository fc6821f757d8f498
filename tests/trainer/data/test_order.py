"""In which order an epoch goes through pictures, and which process takes which."""

from __future__ import annotations

from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st

from hawklet_trainer.data import Place, Span
from hawklet_trainer.data.order import OPEN_SHARDS, shuffled

Sizes = st.lists(st.integers(1, 9), min_size=1, max_size=40)


def _in_shards(sizes: list[int]) -> list[Place]:
    return [
        Place(Path(f"{shard}.tar"), Span(512 * number, 100))
        for shard, size in enumerate(sizes)
        for number in range(size)
    ]


def _shares(places: list[Place], world: int, seed: int) -> list[list[int]]:
    shares = []
    for rank in range(world):
        torch.manual_seed(seed)
        shares.append(shuffled(places, rank, world).tolist())
    return shares


@given(Sizes, st.integers(1, 5), st.integers(0, 3))
def test_every_picture_of_a_shard_is_in_exactly_one_share(sizes: list[int], world: int, seed: int) -> None:
    places = _in_shards(sizes)
    shares = _shares(places, world, seed)
    assert sorted(position for share in shares for position in share) == list(range(len(places)))
    for shard in {place.path for place in places}:
        assert sum(any(places[position].path == shard for position in share) for share in shares) == 1


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 3))
def test_every_picture_that_is_a_file_is_in_exactly_one_share(count: int, world: int, seed: int) -> None:
    shares = _shares([Place(Path(f"{number}.jpg")) for number in range(count)], world, seed)
    assert sorted(position for share in shares for position in share) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_pictures_that_are_files_come_in_torchs_own_random_order() -> None:
    torch.manual_seed(7)
    order = shuffled([Place(Path(f"{number}.jpg")) for number in range(20)])
    torch.manual_seed(7)
    assert order.tolist() == torch.randperm(20).tolist()


def test_each_epoch_has_another_order_and_each_seed_its_own() -> None:
    places = _in_shards([10] * 20)
    torch.manual_seed(1)
    first, second = shuffled(places).tolist(), shuffled(places).tolist()
    torch.manual_seed(1)
    assert shuffled(places).tolist() == first != second


def test_a_few_shards_are_open_at_a_time_and_mixed_with_each_other() -> None:
    places = _in_shards([10] * 20)
    torch.manual_seed(1)
    windows = torch.split(shuffled(places), 10 * OPEN_SHARDS)
    shards = [{places[position].path for position in window} for window in windows]
    assert [len(some) for some in shards] == [8, 8, 4]
    assert not shards[0] & shards[1] | shards[1] & shards[2]
    begin = [places[position].path for position in windows[0][:10]]
    assert len(set(begin)) > 3  # a batch does not come from one shard
