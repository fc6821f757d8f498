"""``hawklet inspect`` as a user types it."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

import tiny_graphs
import tiny_models
from hawklet import cli
from hawklet.bundle import Bundle


def _run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["inspect", *map(str, words)])
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


def _unpacked_with(tmp_path: Path, tiny_bundle: Path, change: dict[str, object]) -> Path:
    """An unpacked bundle whose first variant claims something else."""
    folder = tmp_path / "unpacked"
    Bundle.open(tiny_bundle).unpack(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["variants"][0] |= change
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_true_bundle_is_told_and_passes(capsys: pytest.CaptureFixture[str], tiny_bundle: Path) -> None:
    code, out, _ = _run(capsys, tiny_bundle)
    assert code == 0
    for word in ("float32-tflite", "float32-onnx", "red, green, blue", "3 frames", "XNNPACK", "onnxruntime"):
        assert word in out


def test_a_float_file_that_is_claimed_to_be_int8_is_called_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_bundle: Path
) -> None:
    code, out, _ = _run(capsys, _unpacked_with(tmp_path, tiny_bundle, {"precision": "int8"}), "--no-run")
    assert code == 1
    assert "the manifest says int8, the file computes in float32" in " ".join(out.split())
    assert "NOT WHAT IT CLAIMS" in out


def test_a_file_that_was_exchanged_is_called_out_and_the_others_are_still_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_bundle: Path
) -> None:
    folder = _unpacked_with(tmp_path, tiny_bundle, {})
    (folder / "models" / "float32-tflite.tflite").write_bytes(tiny_graphs.int8_tflite([]))
    code, out, _ = _run(capsys, folder, "--no-run", "--json")
    told = json.loads(out)
    assert code == 1
    assert told["models"][0]["findings"][0]["code"] == "unreadable"
    assert told["models"][1]["facts"]["precision"] == "float32"


def test_a_golden_file_that_claims_more_than_it_holds_is_refused_unread(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_bundle: Path
) -> None:
    import hashlib

    folder = _unpacked_with(tmp_path, tiny_bundle, {})
    golden = folder / "golden" / "inputs.npy"
    forged = golden.read_bytes().replace(b"(3, 16, 16, 3)", b"(3, 16, 16, 9)")
    golden.write_bytes(forged)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["golden/inputs.npy"] = hashlib.sha256(forged).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    code, out, _ = _run(capsys, folder, "--no-run")
    assert code == 1
    assert "does not bear out" in out


def test_json_has_a_schema_and_stable_keys(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(tiny_graphs.qdq_convolution())
    code, out, _ = _run(capsys, model, "--json", "--no-run")
    told = json.loads(out)
    assert (code, told["schema"], told["models"][0]["trial"]) == (0, "hawklet-inspect/1", None)
    facts = told["models"][0]["facts"]
    assert {"precision", "macs", "int8_macs_share", "int8_ops_share", "layers", "inputs", "islands"} <= facts.keys()
    assert {"index", "name", "op", "computes_in", "macs", "parameters", "ms"} <= facts["layers"][0].keys()


def test_the_page_shows_every_layer_with_its_time_and_asks_nothing_of_the_network(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model, page = tmp_path / "m.tflite", tmp_path / "page.html"
    model.write_bytes(tiny_graphs.int8_tflite(["DEQUANTIZE", "HARD_SWISH", "QUANTIZE"]))
    code, out, _ = _run(capsys, model, "--html", page)
    html = page.read_text()
    assert code == 0
    assert "latency" in out
    assert html.count("<summary") == 5
    assert html.count(" ms, ") >= 5
    assert "http" not in html
    assert "sum to" in html


def test_names_from_a_file_are_neither_markup_nor_orders_to_a_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from onnx import load_from_string

    model = load_from_string(tiny_models.colour_onnx())
    model.graph.node[1].name = "<script>\x1b[31m"
    file, page = tmp_path / "m.onnx", tmp_path / "page.html"
    file.write_bytes(model.SerializeToString())
    _, out, _ = _run(capsys, file, "--html", page)
    assert "\x1b" not in out
    assert "<script>" not in page.read_text()


def test_every_name_is_parted_from_its_value_and_only_opsets_in_use_are_listed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from onnx import helper, load_from_string

    model = load_from_string(tiny_models.colour_onnx())
    model.opset_import.append(helper.make_opsetid("com.unused", 1))
    helper.set_model_props(model, {"a.rather.long.key": "value"})
    file = tmp_path / "m.onnx"
    file.write_bytes(model.SerializeToString())
    _, out, _ = _run(capsys, file, "--no-run")
    assert "a.rather.long.key value" in out
    assert "com.unused" not in out


def _zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return path


def _bad_files(folder: Path) -> dict[str, Path]:
    (folder / "empty.tflite").touch()
    (folder / "junk.onnx").write_bytes(b"no model at all " * 40)
    (folder / "junk.tflite").write_bytes(b"\1\0\0\0TFL3" + bytes(range(256)))
    (folder / "keras.tflite").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (folder / "cut.tflite").write_bytes(tiny_graphs.int8_tflite([])[:200])
    (folder / "cut.hawklet").write_bytes(b"PK\3\4" + bytes(50))
    _zip(folder / "weights.onnx", data_pkl=b"pickle")
    _zip(folder / "bomb.hawklet", manifest_json=b"{}", big_bin=bytes(50_000_000))
    with (folder / "huge.onnx").open("wb") as stream:
        stream.truncate(3 << 30)  # sparse: takes no room
    return {
        "empty": folder / "empty.tflite",
        "no .onnx file": folder / "junk.onnx",
        "damaged": folder / "junk.tflite",
        "HDF5": folder / "keras.tflite",
        "shows no mark": folder / "photo.jpg",
        "cut short": folder / "cut.tflite",
        "not a hawklet bundle": folder / "cut.hawklet",
        "PyTorch": folder / "weights.onnx",
        "not stored plainly": folder / "bomb.hawklet",
        "bytes at most": folder / "huge.onnx",
        "there is no model": folder / "missing.tflite",
        "is none": folder,
    }


def test_whatever_is_no_model_gets_one_clear_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for word, path in _bad_files(tmp_path).items():
        code, out, err = _run(capsys, path)
        assert code in (1, 2), path.name
        assert out == ""
        assert err.startswith("hawklet: ") and err.count("\n") == 1 and "internal error" not in err, err
        assert word in err, err


def test_a_page_that_cannot_be_written_is_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_bundle: Path
) -> None:
    code, out, err = _run(capsys, tiny_bundle, "--html", tmp_path)
    assert (code, out) == (1, "")
    assert str(tmp_path) in err


def test_measuring_without_running_cannot_be_meant(capsys: pytest.CaptureFixture[str], tiny_bundle: Path) -> None:
    code, _, err = _run(capsys, tiny_bundle, "--no-run", "--latency")
    assert code == 2
    assert "--no-run" in err


def test_a_bundle_under_another_name_is_recognised(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_bundle: Path
) -> None:
    shutil.copy(tiny_bundle, tmp_path / "renamed.zip")
    assert _run(capsys, tmp_path / "renamed.zip", "--no-run")[0] == 0


@pytest.mark.shared_data
def test_a_model_that_cannot_run_is_inspected_and_said_not_to_run(
    capsys: pytest.CaptureFixture[str], shared_data: Path
) -> None:
    code, out, _ = _run(capsys, shared_data / "models" / "model_invoking_error.tflite")
    assert code == 0
    assert "custom operation fake-op-double" in out
    assert "cannot run it" in out


def test_without_a_run_what_xnnpack_refuses_is_told_from_a_table_and_said_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(tiny_graphs.int8_tflite(["HARD_SWISH"]))
    _, read, _ = _run(capsys, model, "--no-run")
    _, tried, _ = _run(capsys, model)
    assert "XNNPACK would leave out HARD_SWISH" in read and "from a table" in read
    assert "the table of what XNNPACK refuses is partial" in read
    assert "XNNPACK takes 2 of 3 operations in 2 partitions" in tried
    assert "XNNPACK leaves out HARD_SWISH" in tried and "2 partitions" in tried
