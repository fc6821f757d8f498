"""Rules for saying nothing, from the option of a conversion to the answer of a running classifier."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

import hawklet
from hawklet.acceptance import Acceptance
from hawklet.bundle import Bundle
from hawklet.classifier import Classifier
from hawklet.cli import main
from hawklet.errors import BudgetError, DataError
from hawklet.images import read_image
from hawklet.spec import Rejection
from hawklet_converter.convert import convert
from hawklet_converter.pack import REPORT_FILE
from hawklet_converter.request import Conversion, ConvertRequest
from hawklet_converter.steps import Steps
from hawklet_converter.verification.report import render
from hawklet_converter.verification.request import VerifyRequest
from hawklet_converter.verification.tables import verification_table
from hawklet_converter.verification.verify_bundle import verify
from hawklet_trainer.evaluation.answers import Answers
from hawklet_trainer.evaluation.reject_option import RejectOption, RejectRequest, fit_reject_option


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures that show none of the shapes: stripes and noise."""
    folder = tmp_path_factory.mktemp("odd")
    random = np.random.default_rng(3)
    for number in range(40):
        picture = random.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        if number % 2:
            picture = np.broadcast_to(random.integers(0, 256, (1, 40, 3), dtype=np.uint8), (40, 40, 3))
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def rejecting(tiny_run: Path, odd: Path, tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    output = tmp_path_factory.mktemp("bundle") / "shapes.hawklet"
    rules = RejectRequest(precision=0.9, unknown=odd)
    request = ConvertRequest(
        tiny_run, output, recipe="int8", calibration=48, max_drop=20.0, budget_s=0, rejecting=rules
    )
    return convert(request, Steps(silent=True))


@pytest.fixture(scope="module")
def bundle(rejecting: Conversion) -> Bundle:
    return Bundle.open(rejecting.path)


def test_the_rules_travel_in_a_manifest_that_is_valid_by_the_published_schema(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert set(manifest.thresholds) == set(manifest.labels)
    assert manifest.unknown is not None
    assert manifest.unknown.accepts == 0.95
    assert manifest.unknown.validated is not None
    assert manifest.unknown.validated["pictures"] == 40
    schema = json.loads((Path(hawklet.__file__).parent / "schemas" / "bundle-1.schema.json").read_text())
    jsonschema.validate(manifest.to_dict(), schema)


def test_a_bundle_that_nothing_was_asked_of_has_no_rules(converted: Conversion) -> None:
    manifest = converted.manifest
    assert manifest.thresholds == {}
    assert manifest.unknown is None
    assert "unknown" not in manifest.to_dict()
    assert "rejecting" not in manifest.provenance


def test_the_bound_accepts_the_validation_pictures_of_its_rank_through_the_file_that_runs(
    bundle: Bundle, tiny_run: Path, photo_folder: Path
) -> None:
    lines = [line.split(",") for line in (tiny_run / "split.csv").read_text().splitlines()[1:]]
    val = [photo_folder / path for path, _, split, _ in lines if split == "val"]
    classifier = Classifier.from_bundle(bundle, variant=bundle.manifest.variants[0].name, threads=1)
    said = [classifier.classify(read_image(path)).rejection for path in val]
    assert said.count(Rejection.UNKNOWN) == 0  # of 18 pictures, rank ceil(19 * 0.95) is beyond the last


def test_what_the_conversion_measured_is_what_the_runtime_does(bundle: Bundle, odd: Path) -> None:
    figures = bundle.manifest.provenance["rejecting"]["no_class"]
    classifier = Classifier.from_bundle(bundle, variant=bundle.manifest.variants[0].name, threads=1)
    said = [classifier.classify(read_image(path)).rejection for path in sorted(odd.glob("*.png"))]
    assert said.count(None) == figures["accepted"]
    assert said.count(Rejection.UNKNOWN) == figures["unknown"]
    assert said.count(Rejection.DOUBTFUL) == figures["doubtful"]


def test_a_bundle_that_would_accept_nothing_is_not_written(tiny_run: Path, tmp_path: Path) -> None:
    output = tmp_path / "mute.hawklet"
    rules = RejectRequest(precision=0.9999999999)
    request = ConvertRequest(
        tiny_run, output, recipe="int8", calibration=48, max_drop=20.0, budget_s=0, rejecting=rules
    )
    rule = r"accepts none of 18 test pictures \(doubtful: .*; nothing was written"
    with pytest.raises(BudgetError, match=rule) as refused:
        convert(request, Steps(silent=True))
    assert not output.exists()
    found = re.search(
        r"--precision (0\.\d+), the greatest in hundredths that accepts any \((\d+) of 18\)", str(refused.value)
    )
    assert found is not None
    advised = replace(request, rejecting=RejectRequest(precision=float(found[1])))
    known = convert(advised, Steps(silent=True)).manifest.provenance["rejecting"]["known"]
    assert known["accepted"] == int(found[2])
    assert found[1] == "0.99"  # the greatest hundredth below what was asked for


@pytest.mark.parametrize(
    ("least", "bound", "accept", "advice"),
    [
        (1.1, 1e9, None, "try a better network"),
        (0.0, -1e9, None, "try a larger --accept; or a better network"),
        (0.0, -1e9, 1.0, "try a better network"),
    ],
)
def test_what_would_not_do_is_not_advised(
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    least: float,
    bound: float,
    accept: float | None,
    advice: str,
) -> None:
    def too_strict(request: RejectRequest, validation: Answers, temperature: float) -> RejectOption:
        fitted = fit_reject_option(request, validation, temperature)
        rule = replace(fitted.acceptance.unknown, threshold=bound) if fitted.acceptance.unknown else None
        return replace(fitted, acceptance=Acceptance(dict.fromkeys(validation.labels, least), rule))

    monkeypatch.setattr("hawklet_converter.fit_rejecting.fit_reject_option", too_strict)
    rules = RejectRequest(precision=0.5, accept=accept)
    request = ConvertRequest(
        tiny_run, tmp_path / "x.hawklet", recipe="int8", calibration=48, max_drop=20.0, budget_s=0, rejecting=rules
    )
    with pytest.raises(BudgetError, match=f"nothing was written; {advice}$"):
        convert(request, Steps(silent=True))


def test_every_file_is_tried_with_the_same_rules(bundle: Bundle) -> None:
    files = bundle.manifest.provenance["rejecting"]["files"]
    assert set(files) == {variant.name for variant in bundle.manifest.variants}
    assert all(found["pictures"] == 18 for found in files.values())


def test_the_card_the_page_and_the_terminal_say_when_it_says_nothing(bundle: Bundle, rejecting: Conversion) -> None:
    card, page = bundle.read("MODEL_CARD.md").decode(), bundle.read(REPORT_FILE).decode()
    assert "or says nothing, as stands below" in card
    assert "| disc | " in card
    assert "When it should say nothing" in page
    assert "of no class, in odd" in page
    assert any("cannot be shown for" in note and "takes 29 accepted" in note for note in rejecting.notes)
    assert any("40 pictures of no class" in note for note in rejecting.notes)


def test_verify_measures_the_rules_anew_on_every_file(rejecting: Conversion, converted: Conversion) -> None:
    found, pictures = verify(VerifyRequest(rejecting.path, split="test"), Steps(silent=True))
    files = rejecting.manifest.provenance["rejecting"]["files"]
    for row in found.rows[:-1]:
        assert row.accepted is not None
        assert row.accepted.to_dict() == files[row.name]
    assert "right of them %" in verification_table(found)
    assert "When they say nothing" in render(found, [photo.place for photo in pictures.photos])
    plain, _ = verify(VerifyRequest(converted.path), Steps(silent=True))
    assert plain.rows[0].accepted is None
    assert "right of them %" not in verification_table(plain)


def test_inspect_says_the_rules_and_what_was_tried(rejecting: Conversion, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["inspect", str(rejecting.path), "--no-run"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "rejects pictures unlike those trained on" in printed
    assert "tried on pictures of no class: folder odd" in printed


def test_pictures_of_a_class_are_refused_before_anything_is_converted(
    tiny_run: Path, photo_folder: Path, tmp_path: Path
) -> None:
    request = ConvertRequest(tiny_run, tmp_path / "x.hawklet", rejecting=RejectRequest(unknown=photo_folder))
    with pytest.raises(DataError, match="got a folder 'disc'"):
        convert(request, Steps(silent=True))
    request = ConvertRequest(tiny_run, tmp_path / "x.hawklet", rejecting=RejectRequest(unknown=photo_folder / "disc"))
    with pytest.raises(DataError, match="must not be those that the model was made with"):
        convert(request, Steps(silent=True))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x", "--precision", "1"], "--precision"),
        (["x", "--precision", "nan"], "--precision"),
        (["x", "--accept", "0"], "--accept"),
        (["x.keras", "--precision", "0.9"], "--precision is for runs of hawklet train"),
    ],
)
def test_shares_that_cannot_be_meant_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["convert", *arguments])
    assert exit_info.value.code == 2
    assert words in capsys.readouterr().err
