"""An engine without a model: it keeps the real rules and answers what it is told to. For tests and dry runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hawklet.engines import Engine, EngineInfo
from hawklet.errors import ModelError
from hawklet.spec import Floats, Pixels


class MockEngine(Engine):
    """Answers ``answer(pixels)``, and refuses what a real engine refuses.

    Args:
        answer: Maps ``uint8 [H, W, C]`` to ``float32 [classes]``.
        classes: Length of the answers.
        input_shape: Height, width, channels of the pixels taken.
    """

    def __init__(
        self, answer: Callable[[Pixels], Floats], *, classes: int, input_shape: tuple[int, int, int] = (16, 16, 3)
    ) -> None:
        self._answer = answer
        self._closed = False
        self.info = EngineInfo(
            runtime="mock",
            accelerator="none",
            threads=1,
            input_dtype="uint8",
            input_shape=input_shape,
            layout="NHWC",
            classes=classes,
            output_is_probability_grid=False,
        )

    def infer(self, pixels: Pixels) -> Floats:
        """See :meth:`hawklet.engines.Engine.infer`."""
        if self._closed:
            raise ModelError("a closed engine cannot infer")
        if pixels.dtype != np.uint8 or pixels.shape != self.info.input_shape:
            raise ModelError(
                f"the model takes uint8 {list(self.info.input_shape)}, got {pixels.dtype} {list(pixels.shape)}"
            )
        output = np.array(self._answer(pixels), dtype=np.float32)
        if output.shape != (self.info.classes,):
            raise ModelError(f"a mock answer must have {self.info.classes} numbers, got {list(output.shape)}")
        return output

    def close(self) -> None:
        """From now on :meth:`infer` refuses."""
        self._closed = True
