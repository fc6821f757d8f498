"""The search: what it tries, when it is content, what it refuses, and how it goes on after an interrupt."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from hawklet.errors import BudgetError, ModelError, UsageError
from hawklet.spec import ModelFormat, Precision
from hawklet_converter.candidate import Candidate
from hawklet_converter.choose_ranges import METHODS
from hawklet_converter.plan import ActivationQuant, QuantPlan
from hawklet_converter.recipes import AUTO, NOISE, RECIPES, Attempt, Recipe, recipes_named
from hawklet_converter.search import Prefer, SearchLimits, search
from hawklet_converter.search_store import SearchStore
from hawklet_converter.steps import Steps

TFLITE, ONNX = ModelFormat.TFLITE, ModelFormat.ONNX
BOTH = (TFLITE, ONNX)
PLAN = QuantPlan("mse", {"x": ActivationQuant(0.5, 3)}, {"stem": (0.1,)}, {"tflite": ("HARD_SWISH",)}, ("head",))


def _candidate(recipe: str, top1: float, ms: float = 2.0) -> Candidate:
    return Candidate(
        recipe=recipe,
        method=f"{recipe} at {top1}",
        precision=Precision.INT8,
        files={TFLITE: b"one" + recipe.encode(), ONNX: b"two"},
        plan=PLAN,
        top1={TFLITE: top1, ONNX: top1 + 0.5},
        agreement=dict.fromkeys(BOTH, 97.0),
        divergence=dict.fromkeys(BOTH, 0.01),
        ms=dict.fromkeys(BOTH, ms),
        float_ms=dict.fromkeys(BOTH, 4.0),
        float_layers=("head",),
        float_macs_share=0.004,
        seconds=1.5,
    )


class Scripted:
    """Makes the candidates it was told to, and keeps count."""

    def __init__(self, *candidates: Candidate, seconds: float = 0.0) -> None:
        self.waiting = list(candidates)
        self.seconds = seconds
        self.made = 0

    def make(self, recipe: Recipe, attempt: Attempt | None, deadline: float) -> Candidate:
        time.sleep(self.seconds)
        self.made += 1
        return self.waiting.pop(0)


RECIPE = Recipe("int8", Precision.INT8, "-", "-", (Attempt(), Attempt(ranges="mse"), Attempt(ranges="percentile")))
LIMITS = SearchLimits(before=90.0, max_drop=1.0, budget_s=60.0)


@pytest.fixture
def store(tmp_path: Path) -> SearchStore:
    return SearchStore(tmp_path / "x.hawklet", {"a": 1}, resume=False)


def test_it_ends_with_the_first_that_keeps_the_accuracy(store: SearchStore) -> None:
    maker = Scripted(_candidate("a", 80), _candidate("b", 89.5), _candidate("c", 90))
    found = search([RECIPE], LIMITS, maker, store, Steps(silent=True))
    assert found.chosen.recipe == "b"
    assert [candidate.recipe for candidate in found.tried] == ["a", "b"]
    assert found.left_out == ()


def test_preferring_latency_it_goes_on_and_takes_the_fastest_that_keeps_it(store: SearchStore) -> None:
    maker = Scripted(_candidate("a", 89.5, ms=3), _candidate("b", 70, ms=1), _candidate("c", 89.5, ms=2))
    found = search([RECIPE], replace(LIMITS, prefer=Prefer.LATENCY), maker, store, Steps(silent=True))
    assert found.chosen.recipe == "c"
    assert len(found.tried) == 3


def test_of_equally_fast_files_the_one_nearest_to_float_is_taken(store: SearchStore) -> None:
    near = replace(_candidate("b", 89.5, ms=2.02), divergence=dict.fromkeys(BOTH, 0.001))
    maker = Scripted(_candidate("a", 89.5, ms=2.0), near, _candidate("c", 89.5, ms=2.01))
    found = search([RECIPE], replace(LIMITS, prefer=Prefer.LATENCY), maker, store, Steps(silent=True))
    assert found.chosen.recipe == "b"


def test_the_worse_of_the_two_files_decides(store: SearchStore) -> None:
    lame = replace(_candidate("a", 90), top1={TFLITE: 90.0, ONNX: 80.0})
    found = search([RECIPE], LIMITS, Scripted(lame, _candidate("b", 90)), store, Steps(silent=True))
    assert found.chosen.recipe == "b"


def test_when_the_time_is_spent_nothing_new_is_begun_and_the_refusal_says_how_close_it_came(store: SearchStore) -> None:
    maker = Scripted(_candidate("a", 80), _candidate("b", 88.4), _candidate("c", 90), seconds=0.06)
    with pytest.raises(BudgetError, match=r"nearest of 2 tried.*int8-tflite loses 1\.6.*1 more wait.*--resume"):
        search([RECIPE], replace(LIMITS, budget_s=0.1), maker, store, Steps(silent=True))
    assert maker.made == 2


def test_an_interrupted_search_goes_on_from_the_last_finished_candidate(tmp_path: Path) -> None:
    class Interrupted(Scripted):
        def make(self, recipe: Recipe, attempt: Attempt | None, deadline: float) -> Candidate:
            if self.made == 1:
                raise KeyboardInterrupt
            return super().make(recipe, attempt, deadline)

    bundle = tmp_path / "x.hawklet"
    first = _candidate("a", 80)
    with pytest.raises(KeyboardInterrupt):
        search([RECIPE], LIMITS, Interrupted(first), SearchStore(bundle, {"a": 1}, resume=False), Steps(silent=True))
    again = Scripted(_candidate("b", 90))
    store = SearchStore(bundle, {"a": 1}, resume=True)
    found = search([RECIPE], LIMITS, again, store, Steps(silent=True))
    assert again.made == 1
    assert found.tried[0] == first
    assert found.chosen.recipe == "b"


def test_candidates_of_another_search_are_not_taken_for_this_ones(tmp_path: Path) -> None:
    bundle = tmp_path / "x.hawklet"
    SearchStore(bundle, {"seed": 0}, resume=False).put("a", _candidate("a", 90))
    with pytest.raises(UsageError, match="differs in seed"):
        SearchStore(bundle, {"seed": 1}, resume=True)
    assert SearchStore(bundle, {"seed": 0}, resume=True).get("a") is not None
    assert SearchStore(bundle, {"seed": 1}, resume=False).get("a") is None


def test_a_folder_of_the_users_own_is_never_emptied(tmp_path: Path) -> None:
    folder = tmp_path / "x.hawklet.partial"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="something else is there"):
        SearchStore(tmp_path / "x.hawklet", {}, resume=False)
    linked = tmp_path / "y.hawklet.partial"
    SearchStore(tmp_path / "z.hawklet", {}, resume=False)
    linked.symlink_to(tmp_path / "z.hawklet.partial")
    with pytest.raises(UsageError, match="something else is there"):
        SearchStore(tmp_path / "y.hawklet", {}, resume=False)
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_a_candidate_that_was_not_written_to_its_end_does_not_count(store: SearchStore) -> None:
    store.put("a", _candidate("a", 90))
    (store.folder / next(p.name for p in store.folder.iterdir() if p.suffix == ".onnx")).write_bytes(b"tw")
    assert store.get("a") is None


def test_an_attempt_that_does_not_work_is_told_and_the_others_are_tried(store: SearchStore) -> None:
    class Failing(Scripted):
        def make(self, recipe: Recipe, attempt: Attempt | None, deadline: float) -> Candidate:
            if attempt is not None and attempt.ranges == "mse":
                raise ModelError("no grid for it")
            return super().make(recipe, attempt, deadline)

    maker = Failing(_candidate("a", 80), _candidate("c", 90))
    found = search([RECIPE], LIMITS, maker, store, Steps(silent=True))
    assert found.chosen.recipe == "c"
    assert list(found.failed.values()) == ["no grid for it"]
    only = replace(RECIPE, attempts=(Attempt(ranges="mse"),))
    with pytest.raises(ModelError, match="no grid for it"):
        search([only], LIMITS, Failing(), store, Steps(silent=True))


def test_times_of_another_processor_decide_nothing(store: SearchStore) -> None:
    near = replace(_candidate("b", 89.5, ms=3.0), divergence=dict.fromkeys(BOTH, 0.001))
    maker = Scripted(_candidate("a", 89.5, ms=2.0), near, _candidate("c", 89.5, ms=2.5))
    limits = replace(LIMITS, prefer=Prefer.LATENCY, times_count=False)
    assert search([RECIPE], limits, maker, store, Steps(silent=True)).chosen.recipe == "b"


def test_training_that_the_time_cut_short_is_taken_up_again_by_resume(store: SearchStore) -> None:
    maker = Scripted(replace(_candidate("a", 89.5), finished=False))
    found = search([RECIPE], LIMITS, maker, store, Steps(silent=True))
    assert found.chosen.recipe == "a"
    assert store.count == 0


def test_without_time_to_train_nothing_is_called_trained(store: SearchStore) -> None:
    trains = replace(RECIPE, attempts=(Attempt(train=True),))
    maker = Scripted(_candidate("a", 90))
    with pytest.raises(BudgetError, match="--budget 0s"):
        search([trains], replace(LIMITS, budget_s=0.0), maker, store, Steps(silent=True))
    assert maker.made == 0


def test_a_row_is_plain_json_without_the_files() -> None:
    import json

    row = _candidate("a", 88).to_row(90.0)
    assert json.loads(json.dumps(row)) == row
    assert row["drop"] == 2.0
    assert row["bytes"] == {"tflite": 4, "onnx": 3}
    assert "files" not in row


def test_every_recipe_names_ranges_that_exist() -> None:
    named = {attempt.ranges for recipe in RECIPES.values() for attempt in recipe.attempts}
    assert named <= {NOISE, *METHODS}


def test_recipes_are_found_by_name_and_a_misspelt_one_is_answered_with_the_closest() -> None:
    assert [recipe.name for recipe in recipes_named(None)] == list(AUTO)
    assert recipes_named("float16") == (RECIPES["float16"],)
    with pytest.raises(UsageError, match="did you mean int8-mixed"):
        recipes_named("int8-mixt")


def test_weight_only_files_are_never_called_int8() -> None:
    recipe = RECIPES["int8-dynamic"]
    assert recipe.precision is Precision.DYNAMIC_INT8
    assert "weights alone" in recipe.keeps
