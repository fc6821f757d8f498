"""What the libraries' own ways to int8 make of a network, each set as its documentation begins, on the same pictures.

Every route takes float32 network inputs of calibration pictures and answers the logits of others.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hawklet.spec import Floats, ModelFormat
from hawklet_converter.float_exports import FloatExport
from hawklet_converter.quiet import quiet

_AT_ONCE = 20
"""Pictures whose activations ONNX Runtime's histograms hold at once; all 100 would be some 10 GB."""


@dataclass(frozen=True)
class RouteInput:
    """What every route begins with."""

    net: nn.Module
    exports: dict[ModelFormat, FloatExport]
    calibration: Floats
    """``float32 [N, C, H, W]``"""
    measured: Floats
    """``float32 [N, C, H, W]``"""


def by_pt2e(given: RouteInput) -> Floats:
    """torchao's PT2E with litert_torch's quantizer, per channel, then litert_torch."""
    import litert_torch
    from litert_torch.quantize import pt2e_quantizer
    from litert_torch.quantize.quant_config import QuantConfig
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    net = copy.deepcopy(given.net).to(memory_format=torch.contiguous_format).eval()
    sample = (torch.from_numpy(given.calibration[:1]).contiguous(),)
    config = pt2e_quantizer.get_symmetric_quantization_config(is_per_channel=True)
    quantizer = pt2e_quantizer.PT2EQuantizer().set_global(config)
    with torch.no_grad():
        prepared = prepare_pt2e(torch.export.export(net, sample).module(), quantizer)
        for picture in given.calibration:
            prepared(torch.from_numpy(picture[None]).contiguous())
        converted = convert_pt2e(prepared, fold_quantize=False)
        made = litert_torch.convert(converted, sample, quant_config=QuantConfig(pt2e_quantizer=quantizer))
    return _run_tflite(bytes(made.model_content()), given.measured)


def by_ai_edge_quantizer(given: RouteInput) -> Floats:
    """litert_torch, then ai-edge-quantizer's recipe ``static_wi8_ai8`` with its own calibration."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    content = given.exports[ModelFormat.TFLITE].content
    signatures = Interpreter(model_content=content).get_signature_list()
    (key,) = signatures
    (name,) = signatures[key]["inputs"]
    made = quantizer.Quantizer(bytearray(content), recipe.static_wi8_ai8())
    pictures = [{name: picture[None]} for picture in _channels_last(given.calibration)]
    found = made.calibrate({key: pictures}, num_threads=1)
    return _run_tflite(bytes(made.quantize(found).quantized_model), _channels_last(given.measured))


def by_onnxruntime(given: RouteInput) -> Floats:
    """ONNX Runtime's ``quantize_static``: U8S8, per channel, ranges by percentile."""
    import onnxruntime
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, quantized = (Path(folder, f"{name}.onnx") for name in ("plain", "prepared", "quantized"))
        plain.write_bytes(given.exports[ModelFormat.ONNX].content)
        quant_pre_process(str(plain), str(prepared))
        quantize_static(
            str(prepared),
            str(quantized),
            _reader(_input_name(plain), given.calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibStridedMinMax": _AT_ONCE},
        )
        session = onnxruntime.InferenceSession(str(quantized), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: picture[None]})[0] for picture in given.measured])


ROUTES: dict[str, Callable[[RouteInput], Floats]] = {
    "PT2E (torchao, litert_torch)": by_pt2e,
    "ai-edge-quantizer static_wi8_ai8": by_ai_edge_quantizer,
    "onnxruntime quantize_static, percentile": by_onnxruntime,
}


def answers_of_routes(given: RouteInput) -> Iterator[tuple[str, Floats]]:
    """Name and logits of each route, one after the other."""
    for name, route in ROUTES.items():
        with quiet():
            logits = route(given)
        yield name, logits


def _channels_last(pictures: Floats) -> Floats:
    return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))


def _input_name(path: Path) -> str:
    import onnx

    return str(onnx.load(path).graph.input[0].name)


def _reader(name: str, pictures: Floats) -> Any:
    """ONNX Runtime's way to be told pictures, in slices that it may ask for again."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
        def __init__(self) -> None:
            self._waiting = iter(pictures)

        def __len__(self) -> int:
            return len(pictures)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._waiting = iter(pictures[start_index:end_index])

        def get_next(self) -> dict[str, Floats] | None:
            picture = next(self._waiting, None)
            return None if picture is None else {name: picture[None]}

    return Reader()


def _run_tflite(content: bytes, pictures: Floats) -> Floats:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    answers = []
    for picture in pictures:
        interpreter.set_tensor(taken["index"], _as_stored(picture[None], taken))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(given["index"])[0].astype(np.float32))
    return np.stack(answers)


def _as_stored(values: Floats, tensor: dict[str, Any]) -> Any:
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(tensor["dtype"])
