"""Fixtures that every test folder shares."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiny_models

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's top folder."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images and other people's models beside the checkout; the test is skipped where they are absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real images and models in ../shared/data, which are not here")
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two hand-written models (TFLite, ONNX) that name a picture's strongest colour."""
    return tiny_models.write_colour_bundle(tmp_path_factory.mktemp("tiny") / "colours.hawklet")
