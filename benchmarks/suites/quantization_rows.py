"""The rows of the quantization benchmark: each measures its figures alone, and shares files with the others."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean, median

from conversion_cost import PER_CLASS, cost_of_conversion
from default_routes import agreement_of_routes
from fine_tuned_drop import drops_of
from hawklet.engines import open_engine
from hawklet.spec import Floats, ModelFormat
from hawklet_benchmarks.interleave import cpu_of_call, cpu_ratio, take_turns, warm
from hawklet_benchmarks.intervals import Interval
from hawklet_converter.judge import agreement
from hawklet_converter.recipes import RECIPES, Attempt
from hawklet_converter.verify import top1
from hawklet_trainer.models.registry import MODELS
from quantized_subject import Sample, Subject, drawn, published, read_sample, spec_of
from suite_figures import Figure, Goal, ratio_figure
from suite_rows import Row

TFLITE, ONNX = ModelFormat.TFLITE, ModelFormat.ONNX
INT8, MIXED = RECIPES["int8"].attempts, RECIPES["int8-mixed"].attempts
_PLAIN = INT8[0]
_CHEAPEST = INT8[-1]  # which grids a file has makes no difference to its speed
_MOBILE, _LITE = "mobilenet_v2", "efficientnet_lite0"
_GOOGLES = "models/tf2_mobilenet_v2_1.0_224_ptq.tflite"
_PICTURES = "imagenet_sample"
_CALLS = 4
_LATENCY_LOST = 1.05
"""Of plain int8: what float layers may make of it."""

File = tuple[ModelFormat, bytes]


class Bench:
    """What rows share: the pictures, and networks with their files.

    Args:
        data: The folder of test data.
        rounds: Of latency measurements.
    """

    def __init__(self, data: Path, rounds: int) -> None:
        self.data = data
        self._rounds = rounds

    @functools.cache  # noqa: B019 -- there is one, as long as the program runs
    def sample(self, name: str) -> Sample:
        """The pictures as this network takes them."""
        return read_sample(self.data / _PICTURES, spec_of(MODELS[name]))

    @functools.cache  # noqa: B019
    def published(self, name: str) -> Subject:
        """The network with real weights."""
        return published(name, self.sample(name))

    @functools.cache  # noqa: B019
    def float_logits(self, name: str) -> Floats:
        """The float TFLite file's answers on the measured pictures."""
        subject = self.published(name)
        return subject.logits(subject.float_file(TFLITE), TFLITE, self.sample(name).measured)

    @functools.cache  # noqa: B019
    def int8_logits(self, name: str, model_format: ModelFormat, attempt: Attempt) -> Floats:
        """An int8 file's answers on the measured pictures."""
        subject = self.published(name)
        return subject.logits(subject.int8_file(model_format, attempt), model_format, self.sample(name).measured)

    def agreement(self, name: str, model_format: ModelFormat, attempt: Attempt) -> float:
        """Of an int8 file with the float TFLite file, percent."""
        return agreement(self.int8_logits(name, model_format, attempt), self.float_logits(name))

    def ratio(self, above: File, below: File) -> tuple[Interval, str]:
        """CPU time of one file over another's, one thread, in turns; and both medians in words."""
        engines = {
            "above": open_engine(above[1], above[0], threads=1),
            "below": open_engine(below[1], below[0], threads=1),
        }
        contestants = {name: cpu_of_call(engine.invoke, _CALLS) for name, engine in engines.items()}
        warm(contestants, 3)
        cpu_ms = take_turns(contestants, self._rounds)
        words = f"{median(cpu_ms['above']):.2f} / {median(cpu_ms['below']):.2f} ms"
        return cpu_ratio(cpu_ms, "above", "below"), words


def _agreement_tflite(bench: Bench) -> Iterator[Figure]:
    truth = bench.sample(_MOBILE).truth
    before = top1(bench.float_logits(_MOBILE), truth)
    for attempt in INT8:
        after = top1(bench.int8_logits(_MOBILE, TFLITE, attempt), truth)
        agreed = bench.agreement(_MOBILE, TFLITE, attempt)
        yield Figure(f"agreement: {attempt.name}", agreed, Goal(94.5, 96.5, True, " %"))
        note = f"{before:.2f} % -> {after:.2f} %"
        yield Figure(f"top-1 drop: {attempt.name}", before - after, Goal(1.0, 0.3, False, " points"), note=note)


def _agreement_onnx(bench: Bench) -> Iterator[Figure]:
    for attempt in INT8:
        agreed, of_tflite = (bench.agreement(_MOBILE, f, attempt) for f in (ONNX, TFLITE))
        goal = Goal(94.5, max(94.5, of_tflite - 0.5), True, " %")  # the aim: within half a percent of the TFLite file
        yield Figure(f"agreement: {attempt.name}", agreed, goal, note=f"the TFLite file {of_tflite:.2f} %")


def _agreement_mixed(bench: Bench) -> Iterator[Figure]:
    subject = bench.published(_MOBILE)
    plain = (TFLITE, subject.int8_file(TFLITE, _PLAIN))
    within = [(bench.agreement(_MOBILE, TFLITE, attempt), f"no layer in float: {attempt.name}") for attempt in INT8]
    for attempt in MIXED:
        ratio, words = bench.ratio((TFLITE, subject.int8_file(TFLITE, attempt)), plain)
        agreed = bench.agreement(_MOBILE, TFLITE, attempt)
        if ratio.value <= _LATENCY_LOST:
            within.append((agreed, attempt.name))
        note = f"latency {ratio.value:.3f} of plain int8, {ratio.low:.3f}..{ratio.high:.3f}; {words}"
        yield Figure(f"agreement: {attempt.name}", agreed, unit=" %", note=note)
    best, name = max(within)
    yield Figure("best agreement at <= 5 % of latency lost", best, Goal(96.0, 98.0, True, " %"), note=name)


def _against_routes(bench: Bench) -> Iterator[Figure]:
    for name, goal in ((_LITE, Goal(1.0, 2.5, True, " points")), (_MOBILE, None)):
        best = 0.0
        for route, agreed in agreement_of_routes(MODELS[name], bench.sample(name)):
            best = max(best, agreed)
            yield Figure(f"{name}: {route}", agreed, unit=" %")
        for attempt in INT8[:2]:
            agreed = bench.agreement(name, TFLITE, attempt)
            note = f"{agreed:.2f} % against {best:.2f} %"
            what = f"{name}, above the best default route: {attempt.name}"
            yield Figure(what, agreed - best, goal, " points", note)


_SPEEDS = {
    _MOBILE: Goal(0.50, 0.44, False),
    "resnet18": Goal(0.30, 0.27, False),
    "resnet50": Goal(0.30, 0.27, False),
    "mobilenet_v3_small": Goal(0.55, 0.45, False),
    "mobilenet_v3_large": Goal(0.55, 0.45, False),
}


def _speed_against_float(bench: Bench) -> Iterator[Figure]:
    for name, goal in _SPEEDS.items():
        subject = drawn(name)
        ratio, words = bench.ratio((TFLITE, subject.int8_file(TFLITE, _CHEAPEST)), (TFLITE, subject.float_file(TFLITE)))
        yield ratio_figure(f"int8 / float32, {name}", ratio, goal, words)


@functools.cache
def _drawn_mobile() -> Subject:
    return drawn(_MOBILE)


def _speed_against_googles(bench: Bench) -> Iterator[Figure]:
    ours, googles = _drawn_mobile().int8_file(TFLITE, _CHEAPEST), (bench.data / _GOOGLES).read_bytes()
    ratio, words = bench.ratio((TFLITE, ours), (TFLITE, googles))
    yield ratio_figure("MobileNetV2 int8, ours / Google's", ratio, Goal(1.0, 0.95, False), words)


def _speed_onnx(bench: Bench) -> Iterator[Figure]:
    files = {f: (f, _drawn_mobile().int8_file(f, _CHEAPEST)) for f in (ONNX, TFLITE)}
    ratio, words = bench.ratio(files[ONNX], files[TFLITE])
    yield ratio_figure("MobileNetV2 int8, ONNX / TFLite", ratio, Goal(1.20, 1.05, False), words)


def _size(bench: Bench) -> Iterator[Figure]:
    subject = _drawn_mobile()
    for model_format in (TFLITE, ONNX):
        small, large = len(subject.int8_file(model_format, _CHEAPEST)), len(subject.float_file(model_format))
        goal = Goal(0.27, 0.255, False)
        note = f"{small:,} / {large:,} bytes"
        yield Figure(f"MobileNetV2, int8 / float32, {model_format.value}", small / large, goal, note=note)


def _conversion(bench: Bench) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        mobile = cost_of_conversion(_MOBILE, Path(folder))
        note = f"{mobile.cpu_s:.0f} s of CPU time, {mobile.peak_gib:.2f} GiB; {7 * PER_CLASS} pictures"
        yield Figure("hawklet convert, MobileNetV2: wall time", mobile.wall_s, Goal(240, 90, False, " s"), note=note)
        large = cost_of_conversion("resnet50", Path(folder))
        note = f"{large.wall_s:.0f} s, {large.cpu_s:.0f} s of CPU time"
        yield Figure("hawklet convert, ResNet50: peak memory", large.peak_gib, Goal(6, 3, False, " GiB"), note=note)


_TRAINED = {
    "mobilenet_v3_small": Goal(1.0, 0.5, False, " points"),
    "mobilenet_v3_large": Goal(1.0, 0.5, False, " points"),
    "resnet18": Goal(0.3, 0.1, False, " points"),
}
_SEEDS = 3


def _drop_of_trained(_: Bench) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        for name, goal in _TRAINED.items():
            measured = [drops_of(name, seed, Path(folder)) for seed in range(_SEEDS)]
            floats = ", ".join(f"{before:.1f}" for before, _ in measured)
            for variant in measured[0][1]:
                drops = [lost[variant] for _, lost in measured]
                note = f"{', '.join(f'{drop:+.2f}' for drop in drops)}; float {floats} %"
                yield Figure(f"{name}: mean drop, {variant}", round(mean(drops), 4), goal, note=note)


ROWS: Mapping[int, Row[Bench]] = {
    1: Row("MobileNetV2, real weights, int8 TFLite without float layers", _agreement_tflite, (_PICTURES,)),
    2: Row("MobileNetV2, real weights, int8 ONNX without float layers", _agreement_onnx, (_PICTURES,)),
    3: Row("MobileNetV2, real weights, int8 TFLite with some layers in float", _agreement_mixed, (_PICTURES,)),
    4: Row("Agreement against the libraries' own default routes", _against_routes, (_PICTURES,)),
    5: Row("Latency, int8 / float32, LiteRT, 224 px", _speed_against_float),
    6: Row("Latency against Google's quantized MobileNetV2, LiteRT", _speed_against_googles, (_GOOGLES,)),
    7: Row("Latency of int8 ONNX (ONNX Runtime) against int8 TFLite (LiteRT)", _speed_onnx),
    8: Row("File sizes", _size),
    9: Row("What a default conversion takes", _conversion),
    10: Row("Top-1 lost by networks trained on drawn cards, three seeds", _drop_of_trained),
}
