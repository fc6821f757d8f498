"""What the libraries' own ways to int8 make of a network, each set as its documentation begins, on the same pictures.

They get the network as it was published, with its own normalization, and are judged by its own float answers.
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

from hawklet.spec import Floats, Pixels, PreprocessSpec
from hawklet_converter.export_onnx import INPUT, export_onnx
from hawklet_converter.export_tflite import export_tflite
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.judge import agreement
from hawklet_converter.quiet import quiet
from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.models.weights import fetch, read_tensors
from quantized_subject import CLASSES, Sample, spec_of

_AT_ONCE = 20
"""Pictures whose activations ONNX Runtime's histograms hold at once; all 100 would be some 10 GB."""


@dataclass(frozen=True)
class RouteInput:
    """What every route begins with."""

    net: nn.Module
    spec: PreprocessSpec
    calibration: Floats
    """Normalized, ``float32 [N, C, H, W]``."""
    measured: Floats
    """Likewise."""


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

    content = export_tflite(fold_batch_norm(given.net), given.spec)
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
        plain.write_bytes(export_onnx(fold_batch_norm(given.net), given.spec))
        quant_pre_process(str(plain), str(prepared))
        quantize_static(
            str(prepared),
            str(quantized),
            _reader(given.calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibStridedMinMax": _AT_ONCE},
        )
        session = onnxruntime.InferenceSession(str(quantized), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {INPUT: picture[None]})[0] for picture in given.measured])


ROUTES: dict[str, Callable[[RouteInput], Floats]] = {
    "PT2E (torchao, litert_torch)": by_pt2e,
    "ai-edge-quantizer static_wi8_ai8": by_ai_edge_quantizer,
    "onnxruntime quantize_static, percentile": by_onnxruntime,
}


def agreement_of_routes(entry: ModelEntry, sample: Sample) -> Iterator[tuple[str, float]]:
    """Name of each route, and its agreement with the float network, percent.

    Raises:
        WeightsError: the network's weights cannot be had.
    """
    net, pictures = _as_published(entry), [_normalized(part, entry) for part in (sample.calibration, sample.measured)]
    given = RouteInput(net, spec_of(entry), *pictures)
    with torch.no_grad():
        reference = np.concatenate([net(torch.from_numpy(picture[None])).numpy() for picture in given.measured])
    for name, route in ROUTES.items():
        with quiet():
            logits = route(given)
        yield name, agreement(logits, reference)


def _as_published(entry: ModelEntry) -> nn.Module:
    net = entry.build(CLASSES, entry.side, entry.side)
    tensors, _ = read_tensors(fetch(entry.weights))
    net.load_state_dict(entry.adapt(tensors, net) if entry.adapt else tensors)
    return net.eval()


def _normalized(pixels: Pixels, entry: ModelEntry) -> Floats:
    mean, std = (np.asarray(values, dtype=np.float32) for values in (entry.mean, entry.std))
    return np.ascontiguousarray(((pixels - mean) / std).transpose(0, 3, 1, 2))


def _channels_last(pictures: Floats) -> Floats:
    return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))


def _reader(pictures: Floats) -> Any:
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
            return None if picture is None else {INPUT: picture[None]}

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
