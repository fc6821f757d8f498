"""What ``hawklet train`` does unless told otherwise."""

from __future__ import annotations

import pytest

from hawklet_trainer.train_options import LOOP
from hawklet_trainer.training.terms import TrainConfig

DEFAULTS = {option.name: option.default for option in LOOP if isinstance(option.default, str | int | float)}


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_an_option_is_by_default_what_it_is_for_programs_too(name: str) -> None:
    theirs = getattr(TrainConfig(), name)
    assert DEFAULTS[name] == getattr(theirs, "value", theirs)
