"""Golden frames: outputs recorded where a bundle was made, replayed where it runs. Parity is proved, not hoped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hawklet.bundle import Bundle
from hawklet.classifier import Classifier
from hawklet.errors import SelfTestError
from hawklet.spec import Floats, Pixels


@dataclass(frozen=True)
class GoldenReport:
    """How one variant did on the golden frames here."""

    variant: str
    frames: int
    largest_difference: float
    """In units of the raw output."""
    tolerance: float
    top1_changed: int
    """Frames whose best class differs by more than a near-tie (twice the tolerance)."""
    runtime: str

    @property
    def passed(self) -> bool:
        """Within tolerance on every frame."""
        return self.largest_difference <= self.tolerance and self.top1_changed == 0


def record(classifier: Classifier, inputs: Pixels) -> Floats:
    """Raw outputs, ``float32 [N, classes]``, of prepared pictures ``uint8 [N, H, W, C]``."""
    return np.stack([classifier.raw_output(pixels) for pixels in inputs])


def replay(bundle: Bundle, variant: str | None = None, threads: int | None = None) -> GoldenReport:
    """Run the golden frames here and compare with what was recorded.

    Args:
        bundle: The bundle.
        variant: Which model; None = the one a plain open takes here.
        threads: CPU threads.
    """
    classifier = Classifier.from_bundle(bundle, variant=variant, threads=threads)
    chosen = classifier.variant
    assert chosen is not None, "a classifier from a bundle knows its variant"  # noqa: S101 -- narrows the type
    golden = bundle.golden()
    expected = golden.outputs[chosen.name]
    got = record(classifier, golden.inputs)
    rows = np.arange(len(expected))
    # How far the recorded winner lies above the class that wins here: a near-tie may flip, a clear win may not.
    lead = expected.max(axis=1) - expected[rows, got.argmax(axis=1)]
    return GoldenReport(
        variant=chosen.name,
        frames=len(expected),
        largest_difference=float(np.abs(got - expected).max()),
        tolerance=chosen.golden_tolerance,
        top1_changed=int((lead > 2 * chosen.golden_tolerance).sum()),
        runtime=classifier.engine_info.runtime,
    )


def require(report: GoldenReport) -> None:
    """Refuse a failed replay.

    Raises:
        SelfTestError: outputs here differ from the recorded ones by more than the tolerance.
    """
    if not report.passed:
        raise SelfTestError(
            f"golden frames must come out within {report.tolerance:g} of the recorded outputs, got "
            f"{report.largest_difference:g} and {report.top1_changed} changed answers of {report.frames} "
            f"({report.variant}, {report.runtime}); this machine would not classify as measured, so do not use it: "
            "try another --variant or engine version"
        )
