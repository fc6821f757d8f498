"""Times as a person reads them."""

from __future__ import annotations

import pytest

from hawklet_trainer.time_text import duration, moment


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-26T10:40:07+00:00", "26 November 2026, 10:40 UTC"),
        ("2026-12-31T23:30:00-02:00", "1 January 2027, 01:30 UTC"),
        ("some day", "some day"),
    ],
)
def test_a_moment_is_written_out_in_utc(written: str, read: str) -> None:
    assert moment(written) == read


@pytest.mark.parametrize(
    ("seconds", "read"), [(0.368, "0.37 s"), (38.2, "38 s"), (59.4, "59 s"), (59.6, "1.0 min"), (510, "8.5 min")]
)
def test_a_duration_below_a_minute_is_in_seconds(seconds: float, read: str) -> None:
    assert duration(seconds) == read
