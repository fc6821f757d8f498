"""A verification on the terminal: plain columns that survive any terminal and log."""

from __future__ import annotations

from collections.abc import Iterator

from hawklet.printable import printable
from hawklet_converter.table import aligned
from hawklet_converter.verification.checks import chance
from hawklet_converter.verification.verification import Comparison, Measured, Verification
from hawklet_trainer.evaluation.reject_option import Outcome

_ACCURACY = ("file", "MB", "top-1 %", "95 % interval", "agree %", "lost", "gained", "p")
_NUMBERS = ("file", "SQNR dB", "RMS %", "worst %", "KL", "ECE % at 1", "ECE %")
_ACCEPTED = ("file", "accepted %", "right of them %", "doubtful", "unknown")
_MOVED = 3
_CLASSES = 12


def verification_table(found: Verification) -> str:
    """Everything but the pictures."""
    tables = (_accuracy(found), _numbers(found), _accepted(found))
    blocks = (_intro(found), *tables, *_details(found), _checks(found))
    return printable("\n\n".join(block for block in blocks if block), lines=True)


def _intro(found: Verification) -> str:
    against = f", against {found.reference}" if found.reference else ""
    return f"{found.bundle} on {found.described}{against}"


def _accuracy(found: Verification) -> str:
    return aligned([_ACCURACY, *(_accuracy_cells(row) for row in found.rows)])


def _accuracy_cells(row: Measured) -> tuple[str, ...]:
    size = "-" if row.bytes is None else f"{row.bytes / 1e6:.2f}"
    interval = f"{row.interval.low:.1f}..{row.interval.high:.1f}"
    return (row.name, size, f"{row.top1:.1f}", interval, *_answers(row.against))


def _answers(against: Comparison | None) -> tuple[str, ...]:
    if against is None:
        return ("-",) * 4
    return (f"{against.agreement:.1f}", str(against.lost), str(against.gained), f"{against.p_value:.2f}")


def _numbers(found: Verification) -> str:
    return aligned([_NUMBERS, *(_number_cells(row) for row in found.rows)])


def _number_cells(row: Measured) -> tuple[str, ...]:
    error = row.against.logits if row.against else None
    noise = ("-",) * 3
    if error is not None:
        sqnr = "-" if error.sqnr_db is None else f"{error.sqnr_db:.1f}"
        noise = (sqnr, f"{100 * error.relative_rms:.2g}", f"{100 * error.relative_worst:.2g}")
    moved = f"{row.against.divergence:.4f}" if row.against else "-"
    return (row.name, *noise, moved, f"{row.uncalibrated.ece:.1f}", f"{row.calibrated.ece:.1f}")


def _accepted(found: Verification) -> str:
    """What the rules for saying nothing do; empty where the bundle has none."""
    cells = [(row.name, *_outcome_cells(row.accepted)) for row in found.rows if row.accepted]
    return aligned([_ACCEPTED, *cells]) if cells else ""


def _outcome_cells(done: Outcome) -> tuple[str, ...]:
    right = "-" if done.precision is None else f"{done.precision:.1f}"
    return (f"{done.coverage:.1f}", right, str(done.doubtful), str(done.unknown))


def _details(found: Verification) -> Iterator[str]:
    for lines in (_sentences(found), _class_lines(found), _pair_lines(found), _moved_lines(found), _notes(found)):
        yield "\n".join(lines)


def _sentences(found: Verification) -> Iterator[str]:
    for row in found.rows:
        if row.against and (row.against.lost or row.against.gained):
            yield f"{row.name}: its difference from {row.against.reference} is {chance(row.against)}"


def _notes(found: Verification) -> Iterator[str]:
    return (f"note: {note}" for note in found.notes)


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
