"""What a pretrained network sees in pictures: what comes before the last layer of EfficientNet-Lite0 (ImageNet)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hawklet.preprocess import preprocess
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data.checking.stream import in_chunks
from hawklet_trainer.data.pixels import enough_pixels
from hawklet_trainer.data.place import Place

if TYPE_CHECKING:
    from torch import nn

NETWORK = "efficientnet_lite0"
"""The one network whose weights come with a package."""
FEATURES = 1280
_BATCH = 32
_CLASSES = 1000


class Network:
    """The network, with its weights.

    Raises:
        WeightsError: they cannot be had.
    """

    def __init__(self) -> None:
        from hawklet_trainer.models.head import head_of
        from hawklet_trainer.models.registry import model_entry
        from hawklet_trainer.models.weights import load_pretrained
        from hawklet_trainer.training.processes import training_device

        entry = model_entry(NETWORK)
        # The whole picture, since what a label is about may be at its edge.
        self._spec = PreprocessSpec(entry.side, entry.side, crop_fraction=1.0)
        self._pixel = (entry.zero_point, entry.scale)
        self._device = training_device()
        net = entry.build(_CLASSES, entry.side, entry.side)
        load_pretrained(net, entry, "pretrained")
        self._net: nn.Module = net.to(self._device).eval()
        self._head = head_of(net, entry)

    def features(
        self, places: Sequence[Place], workers: int, step: Callable[[int], None] = lambda count: None
    ) -> npt.NDArray[np.float32]:
        """``float32 [N, FEATURES]`` of readable pictures.

        Args:
            places: Which.
            workers: Threads that decode.
            step: Called with the number of pictures done since it was called last.
        """
        import torch

        from hawklet_trainer.training.inputs import as_input

        features = np.empty((len(places), FEATURES), np.float32)
        done = 0

        def keep(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            features[done : done + len(inputs[0])] = inputs[0].float().cpu().numpy()

        hook = self._head.register_forward_pre_hook(keep)
        try:
            with torch.inference_mode():
                for pixels in in_chunks(self._pixels, places, _BATCH, workers):
                    self._net(as_input(pixels, *self._pixel).to(self._device))
                    done += len(pixels)
                    step(len(pixels))
        finally:
            hook.remove()
        return features

    def _pixels(self, places: Sequence[Place]) -> Pixels:
        enough = enough_pixels(self._spec)
        return np.stack([preprocess(place.read(enough), self._spec) for place in places])
