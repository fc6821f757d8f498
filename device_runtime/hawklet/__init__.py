"""hawklet: from a folder of photos to a verified int8 classifier running live on a Raspberry Pi or Jetson.

This package is what runs on the board, and the contracts that the trainer, converter, benchmarks and hardware
packages share. Importing it costs almost nothing: the public names below are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Bundle": "hawklet.bundle",
    "Classifier": "hawklet.classifier",
    "Classification": "hawklet.spec",
    "Frame": "hawklet.spec",
    "HawkletError": "hawklet.errors",
    "Prediction": "hawklet.spec",
    "PreprocessSpec": "hawklet.spec",
    "open_camera": "hawklet.cameras",
    "read_image": "hawklet.images",
}

if TYPE_CHECKING:
    from hawklet.bundle import Bundle as Bundle
    from hawklet.cameras import open_camera as open_camera
    from hawklet.classifier import Classifier as Classifier
    from hawklet.errors import HawkletError as HawkletError
    from hawklet.images import read_image as read_image
    from hawklet.spec import Classification as Classification
    from hawklet.spec import Frame as Frame
    from hawklet.spec import Prediction as Prediction
    from hawklet.spec import PreprocessSpec as PreprocessSpec

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'hawklet' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
