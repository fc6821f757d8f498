"""Whether a bundle is what its manifest says."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator

from numpy.lib import format as npy

from hawklet.bundle import Bundle, Manifest, Variant
from hawklet.errors import BundleError
from hawklet.spec import Precision
from hawklet_converter.distinct_labels import distinct_labels
from hawklet_converter.inspect.facts import Finding, ModelFacts, PrecisionKind, Severity
from hawklet_converter.inspect.judge import counted

_MEANS = {
    Precision.FLOAT32: {PrecisionKind.FLOAT32, PrecisionKind.NONE},
    Precision.FLOAT16: {PrecisionKind.FLOAT16, PrecisionKind.FLOAT16_WEIGHTS},
    Precision.INT8: {PrecisionKind.INT8, PrecisionKind.MIXED},
    Precision.DYNAMIC_INT8: {PrecisionKind.DYNAMIC_INT8, PrecisionKind.INT8_WEIGHTS},
}
"""What a file may really be, for each precision that a manifest claims; int8 may be mixed if it names its float_ops."""


PACKAGED_FROM, LABELS_GIVEN = "packaged_from", "labels_given"
"""Provenance of a packaged bundle: the files that it was made of, and whether its labels were given beside them."""


def claim_of(kind: PrecisionKind) -> Precision | None:
    """What a manifest may call a file of this kind; None where a bundle knows no word for it."""
    return next((precision for precision, kinds in _MEANS.items() if kind in kinds), None)


def check_claims(variant: Variant, manifest: Manifest, facts: ModelFacts, size: int) -> Iterator[Finding]:
    """What the manifest says of a variant that its file does not bear out."""
    yield from _precision(variant, facts)
    if variant.bytes != size:
        yield _lie(f"the manifest says {variant.bytes} bytes, the file has {size}")
    yield from _classes(manifest, facts)
    yield from _labels(manifest, facts)
    yield from _picture(manifest, facts)


def _lie(text: str) -> Finding:
    return Finding(Severity.WRONG, "claim", text)


def _precision(variant: Variant, facts: ModelFacts) -> Iterator[Finding]:
    real = facts.precision
    if real not in _MEANS[variant.precision]:
        yield _lie(
            f"the manifest says {variant.precision.value}, the file computes in {real.value}: "
            f"{100 * facts.int8_macs_share:.0f} % of the MACs in int8"
        )
        return
    if variant.precision is not Precision.INT8:
        return
    hidden = [layer for layer in facts.layers if layer.arithmetic.is_float and layer.op not in variant.float_ops]
    if hidden:
        macs = sum(layer.macs for layer in hidden)
        yield _lie(
            f"the manifest says int8 and does not name among its float_ops: {counted(layer.op for layer in hidden)} "
            f"({100 * macs / max(1, facts.macs):.0f} % of the MACs)"
        )
    needless = sorted(set(variant.float_ops) - set(facts.float_ops))
    if needless:
        text = f"the manifest names {', '.join(needless)} as float; none of it computes in float here"
        yield Finding(Severity.NOTE, "float-ops", text)


def _classes(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    outputs = facts.outputs[0].shape[-1:] if len(facts.outputs) == 1 else ()
    if outputs != (len(manifest.labels),):
        shapes = ", ".join(str(list(one.shape)) for one in facts.outputs)
        yield _lie(f"the manifest has {len(manifest.labels)} labels, the outputs are {shapes}")


def _labels(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    packaged = PACKAGED_FROM in manifest.provenance
    inside = distinct_labels(facts.labels) if packaged else facts.labels
    if not inside or inside == manifest.labels:
        return
    if packaged and manifest.provenance.get(LABELS_GIVEN):
        text = "the labels inside the file are others than those that were given when it was packaged"
        yield Finding(Severity.NOTE, "labels", text)
    else:
        yield _lie("the labels inside the file are not the manifest's")


def _picture(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    spec = manifest.preprocess
    sides = facts.inputs[0].shape[1:] if len(facts.inputs) == 1 else ()
    wanted = (spec.height, spec.width, spec.channels)
    if sides not in (wanted, (spec.channels, spec.height, spec.width)):
        shapes = ", ".join(str(list(one.shape)) for one in facts.inputs)
        yield _lie(f"the manifest prepares pictures of {list(wanted)}, the inputs are {shapes}")


def check_bundle(bundle: Bundle) -> tuple[int, list[Finding]]:
    """The number of golden frames, and what is wrong with the files beside the models."""
    findings = []
    models = {variant.file for variant in bundle.manifest.variants}  # read, and reported, as variants
    for member in bundle.manifest.files:
        try:
            if member not in models:
                bundle.read(member)
        except BundleError as error:
            findings.append(Finding(Severity.WRONG, "digest", str(error)))
    if findings:
        return 0, findings
    try:
        return _golden_frames(bundle), findings
    except BundleError as error:
        return 0, [Finding(Severity.WRONG, "golden", str(error))]


def _golden_frames(bundle: Bundle) -> int:
    """Told by the heads of the arrays: a head may claim more numbers than the file holds, or memory does.

    Raises:
        BundleError: they are missing, or do not fit the manifest.
    """
    inputs = _array_shape(bundle.read("golden/inputs.npy"))
    spec, classes = bundle.manifest.preprocess, len(bundle.manifest.labels)
    if len(inputs) != 4 or inputs[1:] != (spec.height, spec.width, spec.channels):
        raise BundleError(f"golden frames must fit the manifest's preprocessing, got {list(inputs)}")
    for variant in bundle.manifest.variants:
        outputs = _array_shape(bundle.read(f"golden/{variant.name}.npy"))
        if outputs != (inputs[0], classes):
            raise BundleError(f"golden outputs of {variant.name} must be {[inputs[0], classes]}, got {list(outputs)}")
    return inputs[0]


def _array_shape(data: bytes) -> tuple[int, ...]:
    """Shape that a ``.npy`` file states; its length must bear it out."""
    stream = io.BytesIO(data)
    try:
        version = npy.read_magic(stream)
        read_head = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_head(stream)
    except (ValueError, EOFError, SyntaxError) as error:
        raise BundleError(f"a golden file is malformed: {error}") from error
    if math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise BundleError(f"a golden file states the shape {list(shape)}, which its length does not bear out")
    return tuple(int(n) for n in shape)
