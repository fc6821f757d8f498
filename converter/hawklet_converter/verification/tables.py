"""A verification on the terminal: plain columns that survive any terminal and log."""

from __future__ import annotations

from collections.abc import Iterator

from hawklet_converter.table import aligned
from hawklet_converter.verification.checks import chance
from hawklet_converter.verification.verification import Comparison, Measured, Verification

_HEAD = ("file", "MB", "top-1 %", "95 %", "agree %", "lost", "gained", "p", "SQNR dB", "KL", "ECE %")
_MOVED = 3
_CLASSES = 12


def verification_table(found: Verification) -> str:
    """Everything but the pictures."""
    blocks = (_intro(found), _rows(found), *map("\n".join, filter(None, map(list, _details(found)))), _checks(found))
    return "\n\n".join(blocks)


def _intro(found: Verification) -> str:
    against = f", against {found.reference}" if found.reference else ""
    return f"{found.bundle} on {found.described}{against}"


def _rows(found: Verification) -> str:
    return aligned([_HEAD, *(_cells(row) for row in found.rows)])


def _cells(row: Measured) -> tuple[str, ...]:
    size = "-" if row.bytes is None else f"{row.bytes / 1e6:.2f}"
    interval = f"{row.interval.low:.1f}..{row.interval.high:.1f}"
    return (row.name, size, f"{row.top1:.1f}", interval, *_compared(row.against), f"{row.calibrated.ece:.1f}")


def _compared(against: Comparison | None) -> tuple[str, ...]:
    if against is None:
        return ("-",) * 6
    noise = against.logits.sqnr_db if against.logits else None
    return (
        f"{against.agreement:.1f}",
        str(against.lost),
        str(against.gained),
        f"{against.p_value:.2f}",
        "-" if noise is None else f"{noise:.1f}",
        f"{against.divergence:.4f}",
    )


def _details(found: Verification) -> Iterator[Iterator[str]]:
    yield _sentences(found)
    yield _class_lines(found)
    yield _pair_lines(found)
    yield _moved_lines(found)
    yield (f"note: {note}" for note in found.notes)


def _sentences(found: Verification) -> Iterator[str]:
    for row in found.rows:
        if row.against and (row.against.lost or row.against.gained):
            yield f"{row.name}: its difference from {row.against.reference} is {chance(row.against)}"
    for row in found.rows:
        if row.against and row.against.logits:
            error = row.against.logits
            yield (
                f"{row.name}: logits off by {error.rms:.3g} RMS, {error.worst:.3g} at worst "
                f"({100 * error.relative_rms:.2g} % and {100 * error.relative_worst:.2g} % of their spread)"
            )
    yield from (
        f"{row.name}: confidence is off by {row.uncalibrated.ece:.1f} points at temperature 1, by "
        f"{row.calibrated.ece:.1f} at the bundle's, {found.temperature:g}"
        for row in found.rows
        if row.bytes is not None
    )


def _class_lines(found: Verification) -> Iterator[str]:
    for row in found.rows:
        changed = [one for one in row.against.classes if one.reference != one.variant] if row.against else []
        changed.sort(key=lambda one: one.variant - one.reference)
        if changed:
            shown = ", ".join(f"{c.label} {c.reference:.1f} -> {c.variant:.1f}" for c in changed[:_CLASSES])
            more = f" and {len(changed) - _CLASSES} more" if len(changed) > _CLASSES else ""
            yield f"{row.name}, classes that changed, top-1 %: {shown}{more}"


def _pair_lines(found: Verification) -> Iterator[str]:
    for pair in found.pairs:
        yield (
            f"{pair.first} against {pair.second}: the same answer on {pair.agreement:.1f} %, outputs differ by at most "
            f"{pair.largest_difference:.3g} ({100 * pair.relative:.2g} % of their range)"
        )


def _moved_lines(found: Verification) -> Iterator[str]:
    for moved in found.moved[:_MOVED]:
        name, answer = max(moved.variants.items(), key=lambda item: item[1].moved)
        yield (
            f"moved most: {moved.picture} ({moved.truth}): {moved.reference.label} {moved.reference.score:.0%} -> "
            f"{answer.label} {answer.score:.0%} by {name}"
        )


def _checks(found: Verification) -> str:
    lines = [f"{'ok    ' if check.passed else 'FAILED'}  {check.name}: {check.text}" for check in found.checks]
    failed = sum(not check.passed for check in found.checks)
    verdict = f"{failed} of {len(found.checks)} checks failed" if failed else f"all {len(found.checks)} checks hold"
    return "\n".join([*lines, verdict])
