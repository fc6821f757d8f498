"""What must hold for a bundle to pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hawklet.bundle import Bundle
from hawklet.golden import GoldenReport
from hawklet_converter.verification.verification import Check, Comparison, Measured, Pair

FLOAT_SHARE = 1e-3
"""A float export's outputs differ from the network's by at most this share of their range: what golden frames allow."""


def digest_check(bundle: Bundle) -> Check:
    """Every file's digest.

    Raises:
        IntegrityError: a file is not the one that was bundled; nothing can be said of it then.
    """
    bundle.verify()
    return Check("digests", True, f"all {len(bundle.manifest.files)} files are those that were bundled")


def golden_check(report: GoldenReport) -> Check:
    """One variant's golden frames."""
    text = (
        f"{report.frames} golden frames within {report.largest_difference:.3g} of the recorded outputs, "
        f"{report.tolerance:.3g} allowed ({report.runtime})"
    )
    if report.top1_changed:
        text += f"; {report.top1_changed} answers changed"
    return Check(f"golden frames {report.variant}", report.passed, text)


def export_check(pair: Pair) -> Check:
    """A float file against the network that it was exported from."""
    text = (
        f"outputs within {pair.largest_difference:.2g} of the network's, {100 * pair.relative:.2g} % of their range "
        f"({100 * FLOAT_SHARE:g} % allowed), the same answer on {pair.agreement:.1f} % of the pictures"
    )
    return Check(f"export {pair.second}", pair.relative <= FLOAT_SHARE, text)


def budget_checks(rows: Sequence[Measured], before: Mapping[str, float], allowed: float | None) -> tuple[Check, ...]:
    """Files, against the points of top-1 they may lose.

    Args:
        rows: The files to judge.
        before: What the points count from: its name -> its top-1, percent; empty: there is no float model.
        allowed: Points; None: nobody said.
    """
    if allowed is None or not before:
        return ()
    ((name, top1),) = before.items()
    return tuple(_budget_check(row, name, top1, allowed) for row in rows)


def _budget_check(row: Measured, name: str, before: float, allowed: float) -> Check:
    drop = before - row.top1
    found = f"loses {drop:.1f}" if drop > 0 else f"gains {-drop:.1f}" if drop < 0 else "loses no"
    doubt = f"; {chance(row.against)}" if row.against and drop > 0 and row.against.reference == name else ""
    text = f"{found} points of top-1 against {name}, {allowed:g} allowed{doubt}"
    return Check(f"accuracy {row.name}", drop <= allowed + 1e-9, text)


def chance(against: Comparison) -> str:
    """Whether the difference is more than chance, in words."""
    told = "more than chance" if against.p_value < 0.05 else "not to be told from chance"
    return f"{told} (loses {against.lost}, gains {against.gained} pictures, p = {against.p_value:.2g})"
