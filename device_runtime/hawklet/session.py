"""``hawklet run``: opens what was asked for, says what it is, runs the live loop, and stops cleanly."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hawklet.bundle import Bundle
from hawklet.cameras import SOURCES, VIDEO_SUFFIXES, Camera, CameraOptions, open_camera
from hawklet.classifier import Classifier
from hawklet.engines import is_available
from hawklet.errors import MissingDependencyError, SelfTestError, UsageError
from hawklet.golden import GoldenReport, replay, require
from hawklet.images import IMAGE_SUFFIXES
from hawklet.live import Limits, run_live
from hawklet.outputs import Output
from hawklet.printable import printable
from hawklet.spec import Fit

_MODELS = ".hawklet, .tflite or .onnx file"


@dataclass(frozen=True)
class RunArgs:
    """What ``hawklet run`` may be told; each field is the option of the same name."""

    model: Path
    source: str | None
    labels: Path | None = None
    normalize: str | None = None
    fit: str | None = None
    variant: str | None = None
    threads: int | None = None
    top_k: int = 3
    smooth: int | None = None
    """Frames to average the scores over."""
    threshold: float | None = None
    """Least score of an accepted answer, 0..1, in place of the bundle's own for each class."""
    accept_unknown: bool = False
    """Leave the bundle's rule for the unknown aside."""
    frames: int | None = None
    duration: float | None = None
    """Seconds."""
    size: tuple[int, int] | None = None
    """Width and height, pixels."""
    fps: float | None = None
    realtime: bool = False
    jsonl: str | None = None
    web: str | None = None
    mqtt: str | None = None
    gpio: tuple[str, ...] = ()
    quiet: bool = False
    self_test: bool = False


def model_and_source(
    positional: Sequence[str], model: str | None = None, source: str | None = None
) -> tuple[Path, str | None]:
    """The model and the source of ``hawklet run MODEL [SOURCE]``, either of which may come by its option instead.

    Raises:
        UsageError: there is no model, there is too much, or a source stands where the model belongs.
    """
    rest = list(positional)
    if model is None:
        if not rest:
            raise UsageError(f"hawklet run needs a model: hawklet run MODEL {source or 'SOURCE'}, MODEL a {_MODELS}")
        model = rest.pop(0)
    if source is None and rest:
        source = rest.pop(0)
    if rest:
        raise UsageError(f"one model and one source at a time, got also {' '.join(rest)}")
    if _is_source(model):
        after = f"{source} {model}" if source and _is_model(source) else f"MODEL {model}"
        raise UsageError(f"hawklet run takes a model first, then the source: hawklet run {after}, MODEL a {_MODELS}")
    return Path(model), source


def _is_model(name: str) -> bool:
    return Path(name).suffix.lower() in (".hawklet", ".tflite", ".onnx")


def _is_source(name: str) -> bool:
    return (
        "://" in name or name.startswith("/dev/video") or Path(name).suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES
    )


def run_session(args: RunArgs) -> None:
    """Classify a source until it ends, a limit is reached, or a signal asks to stop.

    Raises:
        HawkletError: the model, the source or an output cannot be opened, or failed.
    """
    if args.source is None:
        raise UsageError(f"say what to classify: hawklet run {args.model} SOURCE, with SOURCE one of {SOURCES}")
    if args.self_test:
        require(replay(_open_bundle(args.model), args.variant, args.threads))
    classifier = _open_classifier(args)
    with contextlib.ExitStack() as stack:
        camera = stack.enter_context(open_camera(args.source, _camera_options(args, classifier.spec.planes)))
        about = {
            "source": camera.description,
            "model": classifier.name,
            "variant": classifier.variant.name if classifier.variant else None,
            "smooth": args.smooth,
        }
        if args.smooth and not (camera.live or camera.is_film):
            raise UsageError("--smooth averages frames that follow each other; pictures of a folder do not, so drop it")
        _say(_describe(classifier, camera))
        if accepts := classifier.acceptance.describe():
            _say(printable(accepts))
        outputs = _open_outputs(args, camera, classifier, about, stack)
        stop = stack.enter_context(_stop_on_signals())
        summary = run_live(
            classifier,
            camera,
            outputs,
            limits=Limits(args.frames, args.duration),
            top_k=args.top_k,
            smooth=args.smooth,
            stop=stop,
        )
        for output in outputs:
            output.finish(summary)


def _open_bundle(path: Path) -> Bundle:
    if path.suffix.lower() in (".tflite", ".onnx"):
        raise UsageError(f"--self-test replays the golden frames of a bundle; {path.name} is a bare model without any")
    return Bundle.open(path)


def _open_classifier(args: RunArgs) -> Classifier:
    classifier = Classifier.open(
        args.model,
        variant=args.variant,
        labels=args.labels,
        fit=Fit(args.fit) if args.fit else None,
        normalize=args.normalize,
        threads=args.threads,
    )
    classifier.acceptance = classifier.acceptance.overridden(args.threshold, accept_unknown=args.accept_unknown)
    return classifier


def _camera_options(args: RunArgs, planes: int) -> CameraOptions:
    width, height = args.size or (None, None)
    return CameraOptions(width, height, args.fps, args.realtime, _say, planes)


def _say(line: str) -> None:
    # stderr, so that stdout holds results alone and can be piped.
    print(f"hawklet: {line}", file=sys.stderr, flush=True)


def _describe(classifier: Classifier, camera: Camera) -> str:
    info = classifier.engine_info
    variant = f" ({classifier.variant.name})" if classifier.variant else ""
    threads = f"{info.threads} thread" + ("s" if info.threads > 1 else "")
    height, width, _ = info.input_shape
    return (
        f"{classifier.name}{variant}, {info.classes} classes, {width}x{height}, "
        f"on {info.runtime}, {info.accelerator}, {threads}; reading {camera.description}"
    )


def _open_outputs(
    args: RunArgs, camera: Camera, classifier: Classifier, about: dict[str, Any], stack: contextlib.ExitStack
) -> list[Output]:
    outputs: list[Output] = []

    def add(output: Output) -> None:
        stack.callback(output.close)
        outputs.append(output)

    if args.mqtt:
        from hawklet.outputs.mqtt import MqttOutput

        add(MqttOutput(args.mqtt))
    if args.gpio:
        from hawklet.outputs.gpio import GpioOutput

        add(GpioOutput(args.gpio, classifier.labels))
    if args.web:
        from hawklet.web import WebOutput

        add(WebOutput(args.web, about, _say))
    if not args.quiet and args.jsonl != "-":
        from hawklet.outputs.console import ConsoleOutput

        add(ConsoleOutput(live=camera.live or camera.is_film))
    if args.jsonl:  # last: it replaces a file, which must not happen where another wish is refused
        from hawklet.outputs.jsonl import JsonlOutput

        add(JsonlOutput(args.jsonl, about))
    return outputs


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGINT, SIGTERM and SIGHUP set; a second signal ends the program at once."""
    stop = threading.Event()

    def ask(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    heard = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
        heard.append(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in heard}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def self_test(args: RunArgs, as_json: bool, say: Callable[[str], None]) -> None:
    """Replay the golden frames of every variant whose engine is installed (or of ``args.variant``) and tell.

    Raises:
        SelfTestError: a variant came out differently here.
        MissingDependencyError: no variant's engine is installed.
    """
    bundle = _open_bundle(args.model)
    bundle.verify()
    variants = [bundle.variant(args.variant)] if args.variant else list(bundle.manifest.variants)
    runnable = [v.name for v in variants if is_available(v.format)]
    if not runnable:
        raise MissingDependencyError.for_extra("the runtime of its format", variants[0].format.value, "the self-test")
    reports = [replay(bundle, name, args.threads) for name in runnable]
    if as_json:
        say(json.dumps([_report_to_dict(report) for report in reports], indent=1))
    else:
        for report in reports:
            say(_report_line(report))
    failed = [report.variant for report in reports if not report.passed]
    if failed:
        raise SelfTestError(
            f"golden frames must come out as recorded, and differ here for {', '.join(failed)}; "
            "do not use this bundle on this machine"
        )


def _report_to_dict(report: GoldenReport) -> dict[str, Any]:
    return dataclasses.asdict(report) | {"passed": report.passed}


def _report_line(report: GoldenReport) -> str:
    verdict = "same" if report.passed else "DIFFERENT"
    return (
        f"{report.variant:16} {verdict:9} {report.frames} golden frames, largest difference "
        f"{report.largest_difference:.3g} (tolerance {report.tolerance:.3g}), {report.runtime}"
    )
