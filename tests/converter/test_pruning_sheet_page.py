"""What a bundle says of its pruning: the drawn sheet, the page around it, and the model card."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import pytest

from hawklet_converter.model_card import model_card
from hawklet_converter.pruning.draw_sheet import NARROW, WIDE, draw_sheet
from hawklet_converter.pruning.pruner import Stage
from hawklet_converter.pruning.reach import Reached
from hawklet_converter.pruning.sensitivity import Curve
from hawklet_converter.pruning.sheet import Point
from hawklet_converter.pruning.trial import Trial
from hawklet_converter.request import Row
from hawklet_converter.search_report import search_report

HOSTILE = "<script>alert(1)</script>"


def _point(network: str, kind: str, variant: str, ms: float | None, val: float, **others: Any) -> Point:
    size = 8_000_000 if variant.startswith("float32") else 2_000_000
    point = Point(network, kind, variant, ms, val, val - 1, size, 300_000_000, 224, 1.0, f"runs/{network}", 0.0)
    return replace(point, **others)


POINTS = [
    _point("cards-pruned40", "pruned", "int8-tflite", 1.0, 90.0, chosen=True, macs=170_000_000, train_seconds=341.2),
    _point("cards-pruned40", "pruned", "float32-tflite", 2.0, 91.0, chosen=True, macs=170_000_000),
    _point("cards", "unpruned", "int8-tflite", 1.6, 92.0),
    _point("cards", "unpruned", "float32-tflite", 3.3, 92.0),
    _point("cards-168px", "smaller input", "int8-tflite", 1.02, 88.0, side=168),
    _point("cards-width0.65", "narrower", "int8-tflite", 0.9, 70.0, width=0.65),
]
STAGE = Stage(
    0.6,
    Reached({"stem": 16, "deep": 72}, 0.598, (0.631, 0.598)),
    Trial(
        chosen={"stem": "taylor", "deep": "group-norm"},
        totals={"magnitude": 0.9, "group-norm": 0.4, "bn-scale": 0.8, "taylor": 0.5},
        mixed_total=0.3,
        order={"stem": list(range(32)), "deep": list(range(96))},
        curves={"stem": Curve((0.0, 0.5), (0.0, 0.25)), "deep": Curve((0.0, 0.5), (0.0, 0.05))},
        pictures=64,
    ),
    {"gate.1": "squeeze-and-excite", "gate.2": "squeeze-and-excite", "odd": "a convolution in 4 groups"},
)


def _provenance(points: list[Point] = POINTS, **pruning: Any) -> dict[str, Any]:
    facts = {
        "asked": {"latency": 0.4, "macs": 0.0},
        "from": {"folder": "runs/cards", "weights_sha256": "0" * 64},
        "cuts": {"int8-tflite": 0.375, "float32-tflite": 0.394},
        "points": [point.to_json() for point in points],
        "recommended": "runs/cards-pruned40",
        "command": "hawklet convert runs/cards-pruned40",
        "notes": ["int8-tflite takes 37.5 % less time than unpruned"],
        "stages": [STAGE.summary()],
        "spent": "of 25 minutes, 6 trained each of 3 networks",
    }
    return {
        "architecture": "mobilenet_v2",
        "max_drop": 1.0,
        "float_val_top1": 92.0,
        "latency": "this machine, 1 thread, CPU time",
        "target": "host",
        "seed": 0,
        "data": {"digest": "f" * 64, "counts": {"train": 600, "val": 100, "test": 250}},
        "versions": {"torch": "2"},
        "pruning": {**facts, **pruning},
    }


ROWS = [Row("int8-tflite", 2_000_000, 90.0, 89.0, 99.0, 1.0)]


def _page(provenance: dict[str, Any]) -> str:
    return search_report("cards-pruned40", provenance, ROWS, ["a note"])


def _parsed(drawing: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawing)  # noqa: S314 -- our own drawing


def _marks(drawing: str) -> list[ElementTree.Element]:
    return [group for group in _parsed(drawing).iter("g") if "mark" in group.get("class", "")]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=lambda size: size.name)
def test_every_timed_file_is_a_mark_that_names_itself(size: Any) -> None:
    untimed = _point("cards", "unpruned", "int8-onnx", None, 91.0)
    marks = _marks(draw_sheet([*POINTS, untimed], size))
    titles = [mark.findtext("title", "") for mark in marks]
    assert len(marks) == len(POINTS)
    assert "cards-pruned40 (pruned), int8-tflite: 1.00 ms, 90.0 % of the validation pictures, 89.0 %" in "".join(titles)
    assert sum("quantized" in mark.get("class", "") for mark in marks) == 4
    assert {mark.get("class", "").split()[1] for mark in marks} == {"kind-0", "kind-1", "kind-2", "kind-3"}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=lambda size: size.name)
@pytest.mark.parametrize("values", [(100.0, 100.0), (0.0, 0.0), (0.0, 100.0), (91.4, 91.5)])
def test_no_mark_leaves_the_drawing(size: Any, values: tuple[float, float]) -> None:
    points = [
        _point("a", "unpruned", "float32-tflite", 0.02, values[0], chosen=True),
        _point("b", "pruned", "int8-tflite", 7.0, values[1]),
    ]
    left, top, right, bottom = size.plot
    for circle in _parsed(draw_sheet(points, size)).iter("circle"):
        assert left <= float(circle.get("cx", "")) <= right
        assert top < float(circle.get("cy", "")) < bottom


def test_a_difference_of_chance_does_not_look_like_a_cliff() -> None:
    points = [_point("a", "unpruned", "int8-tflite", 2.0, 91.4), _point("b", "unpruned", "int8-tflite", 1.0, 91.3)]
    _, top, _, bottom = WIDE.plot
    heights = [float(circle.get("cy", "")) for circle in _parsed(draw_sheet(points, WIDE)).iter("circle")]
    assert abs(heights[0] - heights[1]) < (bottom - top) / 50


def test_the_front_climbs_through_the_files_that_no_other_beats() -> None:
    path = re.search(r'class="front" d="([^"]+)"', draw_sheet(POINTS, WIDE))
    assert path is not None
    # narrower at 70 %, pruned at 90 %, unpruned at 92 %; the float files are slower and no better
    assert re.sub(r"[-\d. ]+", "", path[1]) == "MHVHVH"


def test_the_first_file_of_the_chosen_network_is_ringed_and_named() -> None:
    drawing = _parsed(draw_sheet(POINTS, WIDE))
    assert len([circle for circle in drawing.iter("circle") if circle.get("class") == "ring"]) == 1
    assert "chosen: 1.00 ms, 90.0 %" in [text.text for text in drawing.iter("text")]


def test_nothing_is_drawn_where_nothing_was_timed() -> None:
    untimed = [replace(point, ms=None) for point in POINTS]
    assert draw_sheet(untimed, WIDE) == ""
    assert "6 of the files below did not run where latency was measured" in _page(_provenance(untimed))


def test_the_page_says_what_was_decided_and_stands_alone() -> None:
    page = _page(_provenance())
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "http" not in page and "<script" not in page and " src=" not in page
    assert page.count('class="sheet') == 2, "one for a desk, one for a telephone"
    assert "40 % of the measured latency were to be cut from runs/cards" in words
    assert "Recommended: cards-pruned40 , which is this bundle." in words
    assert "int8-tflite takes 37.5 % less time than unpruned" in words
    assert "60 % of the unpruned file's time wanted, 59.8 % reached" in words.replace("&#39;", "'")
    assert "in order: 63.1 %, 59.8 %." in words
    assert "group-norm 0.40 1" in words
    assert "each group's best 0.30 2" in words.replace("&#39;", "'")
    assert "The most sensitive, by what half of them costs: stem, deep." in words
    assert "stem taylor 0.2500 32 16 50 %" in words
    assert "gate.1, gate.2: squeeze-and-excite" in words
    assert "odd: a convolution in 4 groups" in words


def test_a_pruning_by_multiplications_is_told_as_such() -> None:
    page = _page(_provenance(asked={"latency": 0.0, "macs": 0.5}))
    assert "50 % of the multiplications were to be cut" in page
    assert "60 % of the multiplications wanted" in page


def test_a_better_network_of_the_same_latency_is_recommended_in_its_place() -> None:
    provenance = _provenance(recommended="runs/cards-168px", command="hawklet convert runs/cards-168px")
    assert "<code>hawklet convert runs/cards-168px</code>" in _page(provenance)
    card = model_card("cards-pruned40", ["stop"], provenance, ROWS)
    assert "Another network of this latency did better" in card
    assert "`hawklet convert runs/cards-168px`" in card


def test_the_card_says_what_pruning_did_to_each_file() -> None:
    card = model_card("cards-pruned40", ["stop"], _provenance(), ROWS)
    assert "170 of 300 million multiply-accumulate operations remain" in card
    assert "| int8-tflite | 1.00 | 1.60 | 37.5 % | 90.0 | 92.0 | 89.0 | 91.0 |" in card
    assert "Another network" not in card


def test_a_bundle_that_was_not_pruned_shows_no_sheet() -> None:
    provenance = {key: value for key, value in _provenance().items() if key != "pruning"}
    assert "<svg" not in _page(provenance)
    assert "pruned" not in model_card("cards", ["stop"], provenance, ROWS)


def test_names_cannot_break_out_of_the_page() -> None:
    points = [replace(point, network=HOSTILE, run=HOSTILE) for point in POINTS]
    stage = replace(STAGE, kept={HOSTILE: HOSTILE}).summary()
    provenance = _provenance(points, notes=[HOSTILE], stages=[stage], spent=HOSTILE, recommended=HOSTILE)
    provenance["pruning"]["from"]["folder"] = HOSTILE
    assert "<script" not in _page(provenance)
