"""The two ``.tflite`` files of a Keras model, both taking pixels 0..255."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hawklet.errors import ModelError
from hawklet.spec import InputTransform, Pixels
from hawklet_converter.keras.load_keras import KerasModel
from hawklet_converter.quiet import quiet


def write_float(model: KerasModel, transform: InputTransform) -> bytes:
    """``float32 [1, H, W, C]`` of pixels in, the model's own output out; ``transform`` becomes part of the graph.

    Raises:
        ModelError: TensorFlow Lite has no operation for something the model does.
    """
    return _written(model, _converter(model, transform), "float32")


def write_int8(model: KerasModel, transform: InputTransform, pixels: Pixels) -> bytes:
    """Full-integer: ``uint8`` pixels in, ``uint8 [1, classes]`` out, ranges from ``pixels``, ``uint8 [N, H, W, C]``.

    Raises:
        ModelError: something the model does cannot be computed in 8-bit integers.
    """
    import tensorflow as tf

    def pictures() -> Iterator[list[Any]]:
        for picture in pixels:
            yield [picture[None].astype(np.float32)]

    converter = _converter(model, transform)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = pictures
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    return _written(model, converter, "int8")


def _converter(model: KerasModel, transform: InputTransform) -> Any:
    import tensorflow as tf

    shape = (1, model.height, model.width, model.channels)
    with quiet():
        function = tf.function(_answer(model, transform), input_signature=[tf.TensorSpec(shape, tf.float32)])
        # The converter finds variables by way of TensorFlow's own objects; a Keras model does not show it its weights.
        holder = tf.Module()
        holder.weights = [variable.value for variable in model.network.variables]
        return tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], holder)


def _answer(model: KerasModel, transform: InputTransform) -> Callable[[Any], Any]:
    """The model behind its normalization. Nothing is put in front of one that takes pixels as they are."""
    import tensorflow as tf

    std = np.asarray(transform.std, dtype=np.float32)
    mean = np.asarray(transform.mean, dtype=np.float32)
    plain = not mean.any() and (std == 1).all()

    def answer(pixels: Any) -> Any:
        prepared = pixels if plain else pixels * (1 / std) - mean / std
        return model.network(tf.cast(prepared, model.network.inputs[0].dtype), training=False)

    return answer


def _written(model: KerasModel, converter: Any, precision: str) -> bytes:
    try:
        with quiet():
            return bytes(converter.convert())
    except Exception as error:  # the converter raises classes of its own and of MLIR beside Python's
        operations = sorted(set(re.findall(r"'(tf\.\w+)' op", str(error))))
        said = ", ".join(operations) or " ".join(str(error).split())
        way_out = "; leave --photos out for the float file alone" if precision == "int8" else ""
        raise ModelError(
            f"every operation of {model.name} must exist in TensorFlow Lite as {precision}, and the converter refuses "
            f"it ({said[:240]}){way_out}"
        ) from error
