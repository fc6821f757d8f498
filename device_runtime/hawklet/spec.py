"""The vocabulary that every part of hawklet shares: frozen records and enums, and nothing that computes.

Units stand in the attribute docs. Pictures are ``uint8 [H, W, 3]`` in RGB order, 0..255, everywhere in hawklet; those
for a model of four channels are ``uint8 [H, W, 4]``, with what a file stores as alpha last.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hawklet.errors import UsageError

Pixels: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]


class ModelFormat(str, Enum):
    """File format of a model; the value is the file's suffix without the dot."""

    TFLITE = "tflite"
    ONNX = "onnx"


class Precision(str, Enum):
    """What a variant computes in.

    INT8 means weights *and* activations are 8-bit integers; a file whose weights alone are 8-bit is DYNAMIC_INT8 and
    is never called int8.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    DYNAMIC_INT8 = "int8-dynamic"


class Fit(str, Enum):
    """How a picture of any shape becomes one of the model's shape.

    CROP cuts the largest centred box of the model's aspect ratio, times ``crop_fraction``; SQUASH takes the whole
    picture and ignores its aspect ratio.
    """

    CROP = "crop"
    SQUASH = "squash"


class Interpolation(str, Enum):
    """How pixels are resampled; all but NEAREST widen their support when shrinking (antialiasing).

    REDUCE_BILINEAR first averages whole blocks of pixels (the largest whole factor that fits), then resamples
    bilinearly: nearly the same picture as BILINEAR for half the time. A crop that lies near a whole multiple of the
    model's size is snapped to it, and then nothing is left to resample: see :func:`hawklet.preprocess.source_box`.
    """

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    REDUCE_BILINEAR = "reduce-bilinear"


class OutputKind(str, Enum):
    """What a model's output vector holds."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"


CHANNELS = {1: "luma", 3: "RGB", 4: "RGB and a fourth plane"}
"""What a model may take, by its number of channels."""


@dataclass(frozen=True)
class PreprocessSpec:
    """How a picture becomes the model's input: written once by the trainer, carried in the bundle, executed by
    :func:`hawklet.preprocess.preprocess` and by nothing else.

    The result is ``uint8 [height, width, channels]``, as :data:`CHANNELS` names it, 0..255.
    """

    height: int
    """Input height, pixels."""
    width: int
    """Input width, pixels."""
    fit: Fit = Fit.CROP
    crop_fraction: float = 1.0
    """With Fit.CROP: side of the box kept, as a share of the largest centred box that fits; 0.875 = 224 of 256."""
    interpolation: Interpolation = Interpolation.REDUCE_BILINEAR
    channels: int = 3
    """3 = RGB, 1 = luma (ITU-R 601-2), 4 = RGB and a fourth plane: near infrared, depth, a mask..."""

    def __post_init__(self) -> None:
        if not (0 < self.height <= 4096 and 0 < self.width <= 4096):
            raise UsageError(f"model input sides must be 1..4096 pixels, got {self.height}x{self.width}")
        if not 0.1 <= self.crop_fraction <= 1.0:
            raise UsageError(f"crop_fraction must be 0.1..1.0, got {self.crop_fraction}")
        if self.channels not in CHANNELS:
            known = ", ".join(f"{number} ({name})" for number, name in CHANNELS.items())
            raise UsageError(f"channels must be one of {known}, got {self.channels}")

    @property
    def planes(self) -> int:
        """Planes of the pictures that it is for: 4 for four channels, else the 3 of RGB."""
        return max(3, self.channels)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, enums as their values."""
        return {key: value.value if isinstance(value, Enum) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PreprocessSpec:
        """Inverse of :meth:`to_dict`.

        Raises:
            UsageError: a field is unknown, missing or out of range.
        """
        try:
            fields = dict(data)
            fields["fit"] = Fit(fields["fit"])
            fields["interpolation"] = Interpolation(fields["interpolation"])
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"a preprocess spec needs the fields of PreprocessSpec, got {data!r}: {error}") from error


@dataclass(frozen=True)
class InputTransform:
    """What a float-input model expects of pixels p in 0..255: ``(p - mean) / std`` per channel.

    Integer-input models take the pixel bytes as they are (int8: with the top bit flipped) and ignore it.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class Frame:
    """One picture from a source, with the moment it was taken."""

    image: Pixels
    """uint8 [H, W, 3], RGB, 0..255; of files [H, W, 4] where a fourth plane was asked for."""
    captured_at: float
    """Moment of capture, seconds on the clock of ``time.monotonic()``."""
    index: int
    """Frame number as the source counts them, from 0; gaps are frames that were dropped."""
    name: str = ""
    """File name for pictures from files, else empty."""
    truth: str | None = None
    """The label shown, where the source knows it (the synthetic camera does)."""


@dataclass(frozen=True)
class Prediction:
    """One class and its confidence."""

    label: str
    index: int
    """Position in the model's output vector."""
    score: float
    """Calibrated probability, 0..1."""


@dataclass(frozen=True)
class Timings:
    """Where the time of one classification went, milliseconds."""

    preprocess_ms: float
    infer_ms: float
    postprocess_ms: float

    @property
    def total_ms(self) -> float:
        """Sum of the stages, milliseconds."""
        return self.preprocess_ms + self.infer_ms + self.postprocess_ms


class Rejection(str, Enum):
    """Why an answer is not accepted."""

    DOUBTFUL = "doubtful"
    """The best score is below what its class must reach."""
    UNKNOWN = "unknown"
    """The picture is unlike those that the model was trained on, whatever the score."""


@dataclass(frozen=True)
class Classification:
    """What a classifier says of one picture."""

    predictions: tuple[Prediction, ...]
    """Best first; empty never."""
    timings: Timings
    rejection: Rejection | None = None
    """Why the honest answer is "none of my classes"; None: the best prediction is accepted."""

    @property
    def top(self) -> Prediction:
        """The best prediction."""
        return self.predictions[0]

    @property
    def accepted(self) -> bool:
        """Whether the best prediction is one to act on."""
        return self.rejection is None
