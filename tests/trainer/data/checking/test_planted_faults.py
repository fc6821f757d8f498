"""Faults planted in real pictures are found, and hardly anything else is called so."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_check import FINDINGS, called, named
from hawklet_trainer.data.checking import CheckOptions, check_photos
from planted_faults import plant, real_pictures

pytestmark = pytest.mark.shared_data
_NAMED_BY_NOTHING_ELSE = ("cut_short", "damaged", "lost_end", "wrong_suffix", "exif_wrong", "blurred", "over_exposed")


def test_planted_faults_are_found_and_few_others_called_so(shared_data: Path, tmp_path: Path) -> None:
    planted = plant(real_pictures(shared_data, tmp_path / "real", 500, seed=1), tmp_path / "planted", 1, faulty=8)
    found = named(check_photos(planted.write(tmp_path / "planted"), CheckOptions(labels=False)))
    missed = {fault: len(paths - called(found, fault)) for fault, paths in planted.by_fault.items() if fault != "label"}
    assert sum(missed.values()) <= 3 and max(missed.values()) <= 1, missed
    for finding in _NAMED_BY_NOTHING_ELSE:
        meant = {path for fault, paths in planted.by_fault.items() if finding in FINDINGS[fault] for path in paths}
        assert len(found.get(finding, set()) - meant) <= 4, finding
