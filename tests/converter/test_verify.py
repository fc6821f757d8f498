"""A whole verification: which pictures it takes, what it finds, when it refuses, and how it ends."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tiny_models
from hawklet.bundle import Bundle, Manifest, write_bundle
from hawklet.cli import main
from hawklet.errors import DataError, IntegrityError, RunError, UsageError
from hawklet.safefiles import sha256_of
from hawklet.spec import Precision
from hawklet_converter.request import Conversion
from hawklet_converter.steps import Steps
from hawklet_converter.verification.checks import budget_checks
from hawklet_converter.verification.request import VerifyRequest
from hawklet_converter.verification.verification import Verification
from hawklet_converter.verification.verify_bundle import NETWORK, UNPRUNED, verify
from hawklet_trainer.run import BEST, load_run, save_weights
from tiny_networks import COLOURS, SCALE, ZERO_POINT, draw_shape

FILES = ["int8-tflite", "int8-onnx", "float32-tflite", "float32-onnx"]


def _verify(bundle: Path, **options: object) -> Verification:
    return verify(VerifyRequest(bundle, **options), Steps(silent=True))[0]  # type: ignore[arg-type] -- some fields


@pytest.fixture(scope="module")
def found(converted: Conversion) -> Verification:
    """Verified without a word about the run: the bundle names it."""
    return _verify(converted.path)


@pytest.fixture(scope="module")
def new_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shapes that no run has seen."""
    folder = tmp_path_factory.mktemp("new")
    random = np.random.default_rng(77)
    for label in COLOURS:
        (folder / label).mkdir()
        for number in range(5):
            draw_shape(label, random).save(folder / label / f"new{number}.png")
    return folder


@pytest.fixture(scope="module")
def colour_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of each of the hand-written models' colours."""
    folder = tmp_path_factory.mktemp("colours")
    for label in tiny_models.LABELS:
        (folder / label).mkdir()
        for side in (40, 64):
            Image.fromarray(tiny_models.solid(label, side)).save(folder / label / f"{side}.png")
    return folder


def _rewritten(source: Path, target: Path, change: Callable[[Manifest], Manifest]) -> Path:
    """A bundle of the same files under another manifest."""
    bundle = Bundle.open(source)
    models = {variant.file: bundle.read(variant.file) for variant in bundle.manifest.variants}
    write_bundle(target, change(bundle.manifest), models, bundle.golden(), "# changed\n")
    return target


def test_the_run_that_the_bundle_names_is_found_and_its_validation_pictures_are_taken(found: Verification) -> None:
    assert found.passed
    assert found.split == "val"
    assert found.pictures == 18
    assert "18 validation pictures of the run shapes" in found.described
    assert any("chose plan and temperature on these pictures" in note for note in found.notes)
    assert not any("the conversion measured" in note for note in found.notes)


def test_every_file_is_held_against_the_float_file_and_the_network_stands_beside_them(found: Verification) -> None:
    assert found.reference == "float32-tflite"
    assert {row.name for row in found.rows[:-1]} == set(FILES)
    assert found.rows[-1].name == NETWORK
    rows = {row.name: row for row in found.rows}
    assert rows["float32-tflite"].against is None
    int8, network = rows["int8-tflite"].against, rows[NETWORK].against
    assert int8 is not None and int8.logits is not None
    assert network is not None and network.logits is not None
    assert int8.agreement >= 90
    assert int8.logits.sqnr_db is not None and 10 < int8.logits.sqnr_db < 60
    assert network.logits.sqnr_db is not None and network.logits.sqnr_db > 80


def test_the_accuracy_is_the_conversions_own(found: Verification, converted: Conversion) -> None:
    measured = {row.name: row.top1 for row in found.rows}
    for row in converted.rows:
        assert measured[row.variant] == pytest.approx(row.val)


def test_an_accuracy_unlike_the_conversions_record_is_said(converted: Conversion, tmp_path: Path) -> None:
    def boasting(manifest: Manifest) -> Manifest:
        rows = [{**row, "val": 12.5} for row in manifest.provenance["conversion"]]
        return replace(manifest, provenance={**manifest.provenance, "conversion": rows})

    said = _verify(_rewritten(converted.path, tmp_path / "boast.hawklet", boasting)).notes
    assert sum("the conversion measured 12.5 %" in note for note in said) == len(FILES)


def test_both_formats_of_a_recipe_and_the_exports_are_compared(found: Verification) -> None:
    pairs = {(pair.first, pair.second): pair for pair in found.pairs}
    assert ("int8-tflite", "int8-onnx") in pairs
    assert pairs[NETWORK, "float32-onnx"].relative < 1e-3
    assert {check.name for check in found.checks} >= {"export float32-tflite", "export float32-onnx", "digests"}


def test_class_changes_add_up_to_what_was_lost_and_gained(found: Verification) -> None:
    for row in found.rows:
        if row.against:
            change = sum(c.pictures * (c.variant - c.reference) for c in row.against.classes) / 100
            assert change == pytest.approx(row.against.gained - row.against.lost)
            assert sum(c.pictures for c in row.against.classes) == found.pictures


def test_the_test_split_is_touched_only_when_asked_and_that_is_said(converted: Conversion, tiny_run: Path) -> None:
    touched = _verify(converted.path, run=tiny_run, split="test")
    assert touched.split == "test"
    assert any("test pictures were touched" in note for note in touched.notes)


def test_new_pictures_are_said_to_be_none_of_the_training(converted: Conversion, new_photos: Path) -> None:
    new = _verify(converted.path, photos=new_photos)
    assert (new.pictures, new.split) == (15, None)
    assert any("none of these pictures, byte for byte, was trained on" in note for note in new.notes)


def test_pictures_that_were_trained_on_are_refused_unless_that_is_meant(
    converted: Conversion, tiny_run: Path, photo_folder: Path, tmp_path: Path
) -> None:
    lines = [line.split(",") for line in (tiny_run / "split.csv").read_text().splitlines()[1:]]
    for number, (path, label, _, _) in enumerate(line for line in lines if line[2] == "train"):
        (tmp_path / label).mkdir(exist_ok=True)
        if number % 20 == 0:
            shutil.copy(photo_folder / path, tmp_path / label / f"renamed{number}.png")
    with pytest.raises(DataError, match=r"trained on proves nothing, and 5 of 5 .* add --anyway"):
        _verify(converted.path, photos=tmp_path)
    assert any("which flatters it" in note for note in _verify(converted.path, photos=tmp_path, anyway=True).notes)


def test_a_validation_picture_with_a_twin_in_training_is_counted(
    converted: Conversion, tiny_run: Path, photo_folder: Path, tmp_path: Path
) -> None:
    run, photos = tmp_path / "run", tmp_path / "photos"
    shutil.copytree(tiny_run, run)
    shutil.copytree(photo_folder, photos)
    lines = [line.split(",") for line in (run / "split.csv").read_text().splitlines()]
    val, train = (next(line for line in lines if line[2] == split) for split in ("val", "train"))
    shutil.copy(photos / train[0], photos / val[0])
    val[3] = train[3]
    (run / "split.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    notes = _verify(converted.path, run=run, photos=photos).notes
    assert any(note.startswith("1 of these pictures are in the training split too") for note in notes)


def test_photos_that_moved_are_still_the_runs(
    converted: Conversion, tiny_run: Path, photo_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(photo_folder, tmp_path / "moved")
    assert _verify(converted.path, run=tiny_run, photos=tmp_path / "moved").split == "val"


def test_a_run_of_other_data_is_refused_naming_both_digests(
    converted: Conversion, tiny_run: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_run, other)
    manifest = json.loads((other / "manifest.json").read_text())
    digest = manifest["data"]["digest"]
    manifest["data"]["digest"] = "f" * 64
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match=rf"digest is {digest}, that of .* is f{{64}}"):
        _verify(converted.path, run=other)


def test_a_run_trained_anew_on_the_same_data_is_not_the_bundles(
    converted: Conversion, tiny_run: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_run, other)
    weights = other / "weights" / "best.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RunError, match=r"weights in .* are others"):
        _verify(converted.path, run=other)


def test_foreign_labels_are_refused_by_name(converted: Conversion, colour_photos: Path) -> None:
    with pytest.raises(DataError, match="got 'blue', which is none of disc, square, triangle"):
        _verify(converted.path, photos=colour_photos)


def test_a_folder_of_splits_is_refused_naming_the_way_out(converted: Conversion, tmp_path: Path) -> None:
    (tmp_path / "test" / "disc").mkdir(parents=True)
    with pytest.raises(DataError, match=r"name the folder of one split, as .*test"):
        _verify(converted.path, photos=tmp_path)


def test_a_split_of_pictures_of_no_run_is_refused(converted: Conversion, new_photos: Path) -> None:
    with pytest.raises(UsageError, match="--split picks pictures of the run, got --split test"):
        _verify(converted.path, photos=new_photos, split="test")


def test_a_bundle_that_names_no_run_needs_pictures(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match=r"\(the bundle names none\); .*--run RUNFOLDER.*--photos FOLDER"):
        _verify(tiny_bundle)


def test_a_run_that_is_gone_or_another_by_now_is_said_to_be(
    converted: Conversion, tiny_run: Path, photo_folder: Path, tmp_path: Path
) -> None:
    def naming(folder: str) -> Path:
        run = {**converted.manifest.provenance["run"], "folder": folder}
        provenance = {**converted.manifest.provenance, "run": run, "data": {"digest": "of others"}}
        return _rewritten(
            converted.path, tmp_path / "x.hawklet", lambda manifest: replace(manifest, provenance=provenance)
        )

    with pytest.raises(UsageError, match=r"is not at hand \(there is no folder runs/gone\); name the run with --run"):
        _verify(naming("runs/gone"))
    found = _verify(naming(str(tiny_run)), photos=photo_folder)
    assert any(
        "without its run (the run must be the one" in note and "digest is of others" in note for note in found.notes
    )


def test_a_run_of_other_labels_is_refused(tiny_bundle: Path, tiny_run: Path) -> None:
    with pytest.raises(RunError, match="the bundle's labels are red, green, blue, the run's are disc"):
        _verify(tiny_bundle, run=tiny_run)


def test_a_run_cannot_be_claimed_for_a_bundle_that_names_no_data(
    converted: Conversion, tiny_run: Path, tmp_path: Path
) -> None:
    bundle = _rewritten(converted.path, tmp_path / "x.hawklet", lambda manifest: replace(manifest, provenance={}))
    with pytest.raises(RunError, match="names no data it was made with"):
        _verify(bundle, run=tiny_run)


def test_without_the_run_nobody_claims_that_pictures_are_new(tiny_bundle: Path, colour_photos: Path) -> None:
    found = _verify(tiny_bundle, photos=colour_photos)
    assert any("cannot be told without its run" in note for note in found.notes)
    assert NETWORK not in {row.name for row in found.rows}


def test_a_bundle_without_a_float_file_gets_what_can_be_said(
    tiny_bundle: Path, colour_photos: Path, tmp_path: Path
) -> None:
    def integers(manifest: Manifest) -> Manifest:
        return replace(manifest, variants=tuple(replace(v, precision=Precision.INT8) for v in manifest.variants))

    bundle = _rewritten(tiny_bundle, tmp_path / "foreign.hawklet", integers)
    found = _verify(bundle, photos=colour_photos)
    assert found.passed
    assert found.reference is None
    assert [row.top1 for row in found.rows] == [100.0, 100.0]
    assert all(row.against is None for row in found.rows)
    assert len(found.pairs) == 1
    with pytest.raises(UsageError, match="--max-drop counts from a float model"):
        _verify(bundle, photos=colour_photos, max_drop=1.0)


def test_a_damaged_bundle_is_refused(converted: Conversion, new_photos: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "unpacked"
    Bundle.open(converted.path).unpack(damaged)
    (damaged / "labels.txt").write_text("disc\n")
    with pytest.raises(IntegrityError, match=r"labels\.txt"):
        _verify(damaged, photos=new_photos)


def test_golden_frames_that_come_out_otherwise_fail_with_the_table_printed(
    colour_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tiny_models.write_colour_bundle(tmp_path / "wrong.hawklet", wrong_variant="float32-onnx")
    with pytest.raises(SystemExit) as exit_info:
        main(["verify", str(bundle), "--photos", str(colour_photos)])
    printed = capsys.readouterr().out
    assert exit_info.value.code == 1
    assert "FAILED  golden frames float32-onnx" in printed
    assert "ok      golden frames float32-tflite" in printed
    assert "top-1 %" in printed


def _blind_to_red(source: Path, target: Path) -> Path:
    """The colour bundle with its TFLite file, called int8, unable to see red; it may lose two points."""
    bundle = Bundle.open(source)
    first, second = bundle.manifest.variants
    models = {variant.file: bundle.read(variant.file) for variant in (first, second)}
    gain = np.float32(20 / 255).tobytes()
    blind = models[first.file] = models[first.file].replace(gain, bytes(4), 1)
    changed = replace(first, precision=Precision.INT8, sha256=hashlib.sha256(blind).hexdigest(), bytes=len(blind))
    manifest = replace(bundle.manifest, variants=(changed, second), provenance={"max_drop": 2})
    write_bundle(target, manifest, models, bundle.golden(), "# blind\n")
    return target


def test_an_int8_file_that_loses_more_than_the_conversion_allowed_fails(
    tiny_bundle: Path, colour_photos: Path, tmp_path: Path
) -> None:
    found = _verify(_blind_to_red(tiny_bundle, tmp_path / "blind.hawklet"), photos=colour_photos)
    checks = {check.name: check for check in found.checks}
    assert found.reference == "float32-onnx"
    assert not checks["accuracy float32-tflite"].passed
    assert "loses 33.3 points of top-1 against float32-onnx, 2 allowed" in checks["accuracy float32-tflite"].text
    assert "not to be told from chance (loses 2, gains 0 pictures, p = 0.5)" in checks["accuracy float32-tflite"].text
    assert {moved.truth for moved in found.moved if moved.reference.label == "red"} == {"red"}
    (row,) = [row for row in found.rows if row.against]
    assert row.against is not None
    assert {c.label: c.variant for c in row.against.classes} == {"red": 0.0, "green": 100.0, "blue": 100.0}


@pytest.fixture
def whole_run(tiny_run: Path, tmp_path: Path) -> Path:
    """A run of the same photos with other weights, which see discs everywhere: what a pruned bundle was cut from."""
    folder = tmp_path / "whole"
    shutil.copytree(tiny_run, folder)
    net = load_run(folder).build()
    with torch.no_grad():
        net.head.weight.zero_()  # type: ignore[union-attr,operator] -- TinyNet's, torch types attributes as either
        net.head.bias.copy_(torch.tensor([1.0, 0.0, 0.0]))  # type: ignore[union-attr,operator] -- likewise
    save_weights(folder / BEST, net, ZERO_POINT, SCALE)
    return folder


def _pruned_from(folder: Path) -> Callable[[Manifest], Manifest]:
    origin = {"folder": str(folder), "weights_sha256": sha256_of(folder / BEST)}
    return lambda manifest: replace(manifest, provenance={**manifest.provenance, "pruning": {"from": origin}})


def test_drops_of_a_pruned_bundle_count_from_the_unpruned_network(
    converted: Conversion, whole_run: Path, tmp_path: Path
) -> None:
    bundle = _rewritten(converted.path, tmp_path / "pruned.hawklet", _pruned_from(whole_run))
    found = _verify(bundle)
    checks = {check.name: check for check in found.checks}
    rows = {row.name: row for row in found.rows}
    assert rows[UNPRUNED].bytes is None
    assert rows[UNPRUNED].top1 == pytest.approx(100 / 3)
    for name in FILES:
        assert "points of top-1 against unpruned, 6 allowed" in checks[f"accuracy {name}"].text
        gained = rows[name].top1 - rows[UNPRUNED].top1
        assert checks[f"accuracy {name}"].text.startswith(f"gains {gained:.1f} points")
    assert any(note.startswith("channels were pruned away: drops count from the unpruned") for note in found.notes)


def test_the_float_files_of_a_pruned_bundle_are_exports_of_its_run(
    converted: Conversion, whole_run: Path, tmp_path: Path
) -> None:
    found = _verify(_rewritten(converted.path, tmp_path / "pruned.hawklet", _pruned_from(whole_run)))
    exports = [check for check in found.checks if check.name.startswith("export")]
    assert [check.passed for check in exports] == [True, True]


def test_a_loss_of_pruning_is_held_against_chance(tiny_bundle: Path, colour_photos: Path, tmp_path: Path) -> None:
    row = _verify(_blind_to_red(tiny_bundle, tmp_path / "blind.hawklet"), photos=colour_photos).rows[0]
    assert row.against is not None
    told = budget_checks([replace(row, against=replace(row.against, reference=UNPRUNED))], {UNPRUNED: 100.0}, 2.0)
    assert "against unpruned, 2 allowed; not to be told from chance (loses 2" in told[0].text


def test_without_the_unpruned_run_drops_count_from_the_pruned_network_and_that_is_said(
    converted: Conversion, whole_run: Path, tmp_path: Path
) -> None:
    bundle = _rewritten(converted.path, tmp_path / "pruned.hawklet", _pruned_from(whole_run))
    net = load_run(whole_run).build()
    save_weights(whole_run / BEST, net, ZERO_POINT, SCALE * 2)  # trained anew since
    found = _verify(bundle)
    checks = {check.name: check for check in found.checks}
    assert UNPRUNED not in {row.name for row in found.rows}
    assert "points of top-1 against float32-tflite, 6 allowed" in checks["accuracy int8-tflite"].text
    assert "accuracy float32-tflite" not in checks
    assert any("is not here as it was then: drops count from the pruned network" in note for note in found.notes)


def test_the_unpruned_run_is_found_beside_the_pruned_one(
    converted: Conversion, tiny_run: Path, whole_run: Path, tmp_path: Path
) -> None:
    def moved(manifest: Manifest) -> Manifest:
        named = _pruned_from(whole_run)(manifest).provenance
        origin = {**named["pruning"]["from"], "folder": "elsewhere/whole"}
        return replace(manifest, provenance={**named, "pruning": {"from": origin}})

    bundle = _rewritten(converted.path, tmp_path / "far" / "pruned.hawklet", moved)
    shutil.copytree(tiny_run, tmp_path / "shapes")
    assert UNPRUNED in {row.name for row in _verify(bundle, run=tmp_path / "shapes").rows}


def test_the_unpruned_run_is_not_taken_for_the_bundles_own(
    converted: Conversion, whole_run: Path, tmp_path: Path
) -> None:
    bundle = _rewritten(converted.path, tmp_path / "pruned.hawklet", _pruned_from(whole_run))
    with pytest.raises(RunError, match=r"the pruned one .*; .*whole is the one it was cut from"):
        _verify(bundle, run=whole_run)


def test_what_may_be_lost_can_be_said_anew(tiny_bundle: Path, colour_photos: Path, tmp_path: Path) -> None:
    bundle = _blind_to_red(tiny_bundle, tmp_path / "blind.hawklet")
    checks = {check.name: check for check in _verify(bundle, photos=colour_photos, max_drop=40.0).checks}
    assert checks["accuracy float32-tflite"].passed
    assert not checks["golden frames float32-tflite"].passed


def test_the_command_prints_json_of_a_stated_version(converted: Conversion, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["verify", str(converted.path), "--json"])
    data = json.loads(capsys.readouterr().out)
    assert exit_info.value.code == 0
    assert data["schema"] == "hawklet-verification/1"
    assert data["passed"] is True
    in_order = [variant.name for variant in Bundle.open(converted.path).manifest.variants]
    assert [row["name"] for row in data["rows"]] == [*in_order, NETWORK]


def test_the_page_stands_alone_and_shows_the_pictures_that_moved(
    converted: Conversion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "verify.html"
    with pytest.raises(SystemExit) as exit_info:
        main(["verify", str(converted.path), "--html", str(page)])
    text = page.read_text()
    assert exit_info.value.code == 0
    assert str(page) in capsys.readouterr().out
    assert "http" not in text and "<script" not in text
    assert "data:image/jpeg;base64," in text
    assert "All 9 checks hold" in text
    assert text.count("<svg") == 6, "four curves of confidence, two drawings of classes"


def test_labels_cannot_break_out_of_the_page(colour_photos: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    from hawklet_converter.verification.report import render

    def named(manifest: Manifest) -> Manifest:
        return replace(manifest, name="<script>alert(1)</script>")

    bundle = _rewritten(tiny_bundle, tmp_path / "odd.hawklet", named)
    found, pictures = verify(VerifyRequest(bundle, photos=colour_photos), Steps(silent=True))
    assert "<script" not in render(found, [photo.place for photo in pictures.photos])
