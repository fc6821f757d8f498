"""A flatbuffer builder that writes equal vectors once.

Quantized files say the zero point of every output channel, eight bytes each and all zero: a tenth of an int8
MobileNetV2. Flatbuffers may refer to one vector from many places, and readers cannot tell.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np

_BUFFER_ALIGNMENT = 16
"""What the TFLite schema asks of constants (``force_align: 16``), which the generated Python code forgets."""


class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]  # the library has no types
    """For the object classes of a generated schema, whose vectors are numpy arrays."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: Any) -> int:
        """Write a vector ``[n]``, or find the one that was written."""
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            if x.dtype == np.uint8:
                self.Prep(_BUFFER_ALIGNMENT, x.nbytes)
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]
