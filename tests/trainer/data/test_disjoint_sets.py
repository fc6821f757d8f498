"""What hangs together by pairs is one set, in whatever order the pairs come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hawklet_trainer.data.disjoint_sets import DisjointSets

KEYS = st.integers(0, 12)


@given(st.lists(st.tuples(KEYS, KEYS)))
def test_keys_have_one_leader_where_a_chain_of_pairs_joins_them(pairs: list[tuple[int, int]]) -> None:
    sets = DisjointSets[int]()
    expected = {key: {key} for pair in pairs for key in pair}
    for one, other in pairs:
        sets.join(one, other)
        both = expected[one] | expected[other]
        expected |= dict.fromkeys(both, both)
    assert sets.ascending() == sorted(expected)
    for key, members in expected.items():
        assert {other for other in expected if sets.leader(other) == sets.leader(key)} == members
