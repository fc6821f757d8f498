from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hawklet.bundle import Bundle, Manifest, check_member_name
from hawklet.errors import BundleError, IntegrityError, UsageError


def _rewritten(bundle: Path, target: Path, change: Callable[[dict[str, bytes]], None], **zip_options: Any) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w", zip_options.pop("compression", zipfile.ZIP_STORED)) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target


def _edit_manifest(**fields: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | fields).encode()

    return change


def test_what_was_written_is_what_is_read(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    bundle.verify()
    assert bundle.manifest.labels == ("red", "green", "blue")
    assert bundle.read("labels.txt") == b"red\ngreen\nblue\n"
    assert Manifest.from_dict(bundle.manifest.to_dict()) == bundle.manifest
    golden = bundle.golden()
    assert golden.inputs.dtype == np.uint8
    assert set(golden.outputs) == {"float32-tflite", "float32-onnx"}


def test_an_unpacked_bundle_opens_the_same(tiny_bundle: Path, tmp_path: Path) -> None:
    packed = Bundle.open(tiny_bundle)
    packed.unpack(tmp_path / "unpacked")
    unpacked = Bundle.open(tmp_path / "unpacked")
    unpacked.verify()
    assert unpacked.manifest == packed.manifest


def test_two_writes_of_the_same_content_give_the_same_bytes(tiny_bundle: Path, tmp_path: Path) -> None:
    import tiny_models

    again = tiny_models.write_colour_bundle(tmp_path / "again.hawklet")
    assert again.read_bytes() == tiny_bundle.read_bytes()


def test_a_changed_model_is_refused_when_it_is_read(tiny_bundle: Path, tmp_path: Path) -> None:
    def flip(members: dict[str, bytes]) -> None:
        data = bytearray(members["models/float32-tflite.tflite"])
        data[-1] ^= 1
        members["models/float32-tflite.tflite"] = bytes(data)

    bundle = Bundle.open(_rewritten(tiny_bundle, tmp_path / "x.hawklet", flip))
    with pytest.raises(IntegrityError, match="sha256 differs"):
        bundle.read("models/float32-tflite.tflite")
    with pytest.raises(IntegrityError):
        bundle.unpack(tmp_path / "unpacked")


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", "C:evil", "a\\b", "new\nline", ""])
def test_a_path_that_could_leave_the_folder_is_refused(name: str, tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="plain relative paths"):
        check_member_name(name)
    files = Bundle.open(tiny_bundle).manifest.files
    evil = _rewritten(tiny_bundle, tmp_path / "x.hawklet", _edit_manifest(files=dict(files) | {name: "0" * 64}))
    with pytest.raises(BundleError):
        Bundle.open(evil)


def test_a_compressed_bundle_is_refused_as_a_possible_bomb(tiny_bundle: Path, tmp_path: Path) -> None:
    packed = _rewritten(tiny_bundle, tmp_path / "x.hawklet", lambda _: None, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(BundleError, match="not stored plainly"):
        Bundle.open(packed)


@pytest.mark.parametrize(
    "fields",
    [
        {"schema": "hawklet-bundle/9"},
        {"labels": ["red", "red", "blue"]},
        {"labels": []},
        {"variants": []},
        {"temperature": 0},
        {"preprocess": {}},
        {"thresholds": 3},
        {"thresholds": {"red": 1.5}},
        {"thresholds": {"green": float("nan")}},
        {"thresholds": {"purple": 0.5}},
        {"unknown": {"score": "energy", "threshold": float("inf"), "accepts": 0.95}},
        {"unknown": {"score": "energy", "threshold": 1.0, "accepts": 0}},
        {"unknown": {"score": "energy", "accepts": 0.95}},
        {"unknown": {"score": "entropy", "threshold": 1.0, "accepts": 0.95}},
        {"unknown": 7},
    ],
)
def test_a_malformed_manifest_is_refused(fields: dict[str, Any], tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        Bundle.open(_rewritten(tiny_bundle, tmp_path / "x.hawklet", _edit_manifest(**fields)))


def test_a_truncated_bundle_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.hawklet"
    cut.write_bytes(tiny_bundle.read_bytes()[:-100])
    with pytest.raises(BundleError, match="cut short"):
        Bundle.open(cut)


def test_a_run_folder_is_told_from_a_bundle_with_the_way_to_one(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"schema": "hawklet-run/1"}')
    with pytest.raises(BundleError, match="hawklet convert RUN"):
        Bundle.open(tmp_path)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        Bundle.open(tmp_path / "absent.hawklet")
    with pytest.raises(BundleError, match="is this a bundle"):
        Bundle.open(tmp_path)


def test_an_unknown_variant_is_answered_with_the_known_ones(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="float32-tflite, float32-onnx"):
        Bundle.open(tiny_bundle).variant("int4")
