"""A packed first layer gives the same bytes."""

from __future__ import annotations

import platform

import numpy as np
import pytest
import torch
from torch import nn

from hawklet.spec import ModelFormat, PreprocessSpec
from hawklet_converter import request, tflite_file
from hawklet_converter.choose_ranges import choose_ranges
from hawklet_converter.collect_ranges import collect_ranges
from hawklet_converter.float_exports import FloatExport, export_float
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.plan import ActivationQuant, QuantPlan
from hawklet_converter.request import layout_for
from hawklet_converter.weight_grid import weight_scales
from hawklet_converter.write_onnx import OnnxActivations
from hawklet_converter.write_variants import Identity, Layout, write_int8
from hawklet_trainer.training.inputs import as_input

ZERO_POINT, SCALE = 116, 1 / 57


def _written(stem: list[nn.Module], spec: PreprocessSpec, pixels: int) -> tuple[bytes, bytes]:
    """The int8 file of a small network, plain and packed."""
    torch.manual_seed(0)
    layers = [*stem, nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(5)]
    network = nn.Sequential(*layers)
    network(torch.zeros(1, spec.channels, spec.height, spec.width))
    net = fold_batch_norm(network)
    pictures = np.random.default_rng(0).integers(0, 256, (4, spec.height, spec.width, spec.channels), dtype=np.uint8)
    inputs = as_input(pictures, ZERO_POINT, SCALE)
    export: FloatExport = export_float(net, spec, inputs, (ModelFormat.TFLITE,))[ModelFormat.TFLITE]
    given = {"input_1": ActivationQuant(float(np.float32(SCALE)), ZERO_POINT - 128)}
    grids = choose_ranges({**collect_ranges(net, inputs), **export.own}, "min-max", given)
    plan = QuantPlan("min-max", grids, weight_scales(net))
    identity = Identity("stem", tuple("abcde"), spec, ZERO_POINT, SCALE)
    plain, packed = (
        write_int8(ModelFormat.TFLITE, export, net, plan, identity, Layout(OnnxActivations.UINT8, wanted))
        for wanted in (1, pixels)
    )
    return plain, packed


def _operators(content: bytes) -> list[str]:
    model = tflite_file.read_model(content)
    return [tflite_file.operator_name(model, operator) for operator in model.subgraphs[0].operators]


def _answers(content: bytes, pixels: np.ndarray, *, xnnpack: bool) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels, num_threads=1)
    interpreter.allocate_tensors()
    answers = []
    for picture in pixels:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.stack(answers)


CASES = {
    "torch's 3x3": ([nn.Conv2d(3, 8, 3, 2, 1)], PreprocessSpec(32, 32)),
    "ResNet's 7x7": ([nn.Conv2d(3, 8, 7, 2, 3)], PreprocessSpec(32, 48)),
    "5x5": ([nn.Conv2d(3, 8, 5, 2, 2)], PreprocessSpec(24, 32)),
    "TensorFlow's SAME": ([nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 8, 3, 2)], PreprocessSpec(32, 32)),
}


@pytest.mark.parametrize("pixels", [2, 4])
@pytest.mark.parametrize("case", CASES)
def test_a_packed_stem_gives_the_same_bytes_on_both_sets_of_kernels(case: str, pixels: int) -> None:
    stem, spec = CASES[case]
    plain, packed = _written(stem, spec, pixels)
    assert _operators(packed).count("RESHAPE") == _operators(plain).count("RESHAPE") + pixels // 2
    pictures = np.random.default_rng(1).integers(0, 256, (6, spec.height, spec.width, spec.channels), dtype=np.uint8)
    for xnnpack in (True, False):
        before, after = (_answers(content, pictures, xnnpack=xnnpack) for content in (plain, packed))
        np.testing.assert_array_equal(after, before)


LEFT = {
    "stride 1": ([nn.Conv2d(3, 8, 3, 1, 1)], PreprocessSpec(32, 32)),
    "a width that four does not divide": ([nn.Conv2d(3, 8, 3, 2, 1)], PreprocessSpec(30, 30)),
    "dilated": ([nn.Conv2d(3, 8, 3, 2, 2, 2)], PreprocessSpec(32, 32)),
    "grouped": ([nn.Conv2d(3, 9, 3, 2, 1, groups=3)], PreprocessSpec(32, 32)),
    "depthwise, as that of a grey picture is": ([nn.Conv2d(1, 8, 3, 2, 1)], PreprocessSpec(32, 32, channels=1)),
    "with a fourth plane": ([nn.Conv2d(4, 8, 3, 2, 1)], PreprocessSpec(32, 32, channels=4)),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_cannot_be_packed_is_left_as_it_is(case: str) -> None:
    plain, packed = _written(*LEFT[case], 4)
    assert _operators(packed) == _operators(plain)


def test_a_target_with_unknown_kernels_gets_no_packing_and_a_pc_never_more_than_pays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for tiles, pixels in ((True, 4), (False, 2)):
        monkeypatch.setattr(request, "has_matrix_tiles", lambda has=tiles: has)
        assert layout_for("x86").stem_pixels == 2
        assert layout_for("pi5").stem_pixels == 1
        if platform.machine() in ("x86_64", "AMD64"):
            assert layout_for("host").stem_pixels == pixels
