"""The direction of imports that docs/architecture.md draws, held by reading every module's syntax tree."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = {
    "hawklet": "device_runtime",
    "hawklet_trainer": "trainer",
    "hawklet_converter": "converter",
    "hawklet_benchmarks": "benchmarks",
    "hawklet_hardware": "hardware",
}
MAY_IMPORT = {
    "hawklet": set[str](),
    "hawklet_hardware": {"hawklet"},
    "hawklet_trainer": {"hawklet"},
    "hawklet_converter": {"hawklet", "hawklet_trainer", "hawklet_hardware"},
    "hawklet_benchmarks": {"hawklet", "hawklet_hardware"},
}
NEVER_ON_A_BOARD = {
    "torch",
    "torchvision",
    "timm",
    "sklearn",
    "jax",
    "tensorflow",
    "litert_torch",
    "matplotlib",
    "rich",
}


def _modules(repository: Path, package: str) -> Iterator[Path]:
    found = list((repository / PACKAGES[package] / package).rglob("*.py"))
    assert found, f"{package} has no modules"
    yield from found


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level:
            pytest.fail(f"{path}: relative imports hide the direction; name the package")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_only_in_the_allowed_direction(repository: Path, package: str) -> None:
    others = set(PACKAGES) - {package} - MAY_IMPORT[package]
    wrong = [
        f"{path.name} imports {name}"
        for path in _modules(repository, package)
        for name in _imports(path)
        if name in others
    ]
    assert wrong == []


def test_nothing_of_the_runtime_imports_what_a_board_does_not_carry(repository: Path) -> None:
    wrong = [
        f"{path.name} imports {name}"
        for path in _modules(repository, "hawklet")
        for name in _imports(path)
        if name in NEVER_ON_A_BOARD
    ]
    assert wrong == []


def test_errors_and_spec_are_at_the_bottom(repository: Path) -> None:
    runtime = repository / "device_runtime" / "hawklet"
    assert "hawklet" not in set(_imports(runtime / "errors.py"))
    spec = ast.parse((runtime / "spec.py").read_text())
    ours = {
        n.module for n in ast.walk(spec) if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("hawklet")
    }
    assert ours == {"hawklet.errors"}


def test_classifying_a_picture_loads_no_training_library(tiny_bundle: Path) -> None:
    code = (
        "import sys, numpy, hawklet\n"
        f"c = hawklet.Classifier.open({str(tiny_bundle)!r})\n"
        "c.classify(numpy.zeros((8, 8, 3), dtype=numpy.uint8))\n"
        f"print(sorted({NEVER_ON_A_BOARD!r} & {{name.split('.')[0] for name in sys.modules}}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
