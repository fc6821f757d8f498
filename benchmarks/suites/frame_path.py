"""What the frame path costs on top of the engine: ``Classifier.classify`` of a 640x480 RGB frame, against the bare
``interpreter.invoke()`` of the same model, CPU time, one thread.

Claim: at most 1.25 times, for MobileNetV2 int8.

Run: ``python benchmarks/suites/frame_path.py --model FILE [--labels FILE] [--variant V] [--json] [-o FILE]``

The claim is about the resize that hawklet's own bundles carry. A bare model of other people's is measured with it, and
for information also with the one that such models were made for: the whole picture, plainly bilinear.
"""

from __future__ import annotations

import argparse
import io
import sys
from functools import partial
from pathlib import Path

from hawklet.classifier import Classifier
from hawklet.errors import HawkletError
from hawklet.images import read_image
from hawklet.spec import PreprocessSpec
from hawklet_benchmarks.interleave import Claim, SuiteResult, cpu_of_call, cpu_ratio, finish, take_turns, warm
from hawklet_benchmarks.picture import default_jpeg

LIMIT = 1.25
_CALLS = 10  # a round's calls in a row: a process's CPU clock is exact, but each contestant meets its own warm caches
_BARE = "bare invoke"


def main() -> int:
    """Measure, print, and say by the exit code whether the claim holds."""
    arguments = _parse()
    try:
        result = _measure(arguments)
    except HawkletError as error:
        print(f"frame_path: {error}", file=sys.stderr)
        return error.exit_code
    return finish(result, as_json=arguments.json, output=arguments.output)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="bundle, or bare .tflite or .onnx")
    parser.add_argument("--labels", type=Path, help="bare models: text file with one label a line")
    parser.add_argument("--variant", help="bundles: which model")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("-o", "--output", type=Path, help="write the result to this JSON file")
    return parser.parse_args()


def _measure(arguments: argparse.Namespace) -> SuiteResult:
    frame = read_image(io.BytesIO(default_jpeg()))
    classifier = Classifier.open(arguments.model, labels=arguments.labels, variant=arguments.variant, threads=1)
    paths = {_name(classifier): classifier}
    height, width, channels = classifier.engine_info.input_shape
    if classifier.variant is None:
        spec = PreprocessSpec(height, width, channels=channels)
        judged = Classifier(classifier.engine, classifier.labels, spec, name=classifier.name)
        paths[_name(judged)] = judged
    else:
        judged = classifier
    contestants = {_BARE: cpu_of_call(classifier.engine.invoke, _CALLS)}
    contestants |= {name: cpu_of_call(partial(path.classify, frame), _CALLS) for name, path in paths.items()}
    warm(contestants, 3)
    cpu_ms = take_turns(contestants, arguments.rounds)
    claims = tuple(
        Claim(f"{name} / {_BARE}", cpu_ratio(cpu_ms, name, _BARE), LIMIT if path is judged else None)
        for name, path in paths.items()
    )
    info = classifier.engine_info
    subject = f"{classifier.name}, {info.runtime}, {info.accelerator}, 1 thread, a 640x480 frame in memory -> answer"
    return SuiteResult("frame_path", subject, cpu_ms, claims)


def _name(classifier: Classifier) -> str:
    return f"classify, {classifier.spec.fit.value} {classifier.spec.interpolation.value}"


if __name__ == "__main__":
    sys.exit(main())
