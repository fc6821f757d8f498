"""Findings about pictures, each looked at by itself or against the others of the set.

What a set is made of decides where that is right: a picture of the night is not too dark among others of the night. So
sharpness and shape are judged by the set's median (in robust standard deviations, 1.4826 times the median deviation),
and what is dark, white or grey only where few pictures of the set are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hawklet_trainer.data.checking.exif import ExifState
from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.finding import Evidence, Found, Rule, Severity
from hawklet_trainer.data.checking.formats import FORMATS

_FAR = 3.5
"""Robust standard deviations from the median that are far."""
_LEAST_SIDE, _MOST_SIDE = 16, 96
"""Bounds of the side below which a picture is tiny, pixels."""
_SHAPE = 2.5
"""Times the set's median of longer side over shorter side."""
_DARK = 64.0
"""Grey that some pixels of a picture that is not dark are lighter than."""
_BURNT = 0.4
"""Share of pixels with a channel at its end from which a picture is over-exposed."""
_FLAT = 5.0
"""Standard deviation of the grey up to which there is nothing to see, of 255 levels."""
_BLURRED, _SOFT = 0.006, 0.05
"""Sharpness that is blurred in any set, and from which on a picture is blurred in none."""
_GREY = 3.0
"""Colourfulness up to which a picture is grey."""
_RARE = 0.1
"""Share of a set that is not what the set is like."""
_LOST = 0.03
"""Share of the rows that a decoder has filled in."""
_UNREADABLE_SHOWN = 120

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def _field(evidence: Evidence, name: str) -> Values:
    return evidence.facts.records[name].astype(np.float64)


def _distance(values: Values, readable: Mask) -> Values:
    """From the readable pictures' median, in robust standard deviations."""
    known = values[readable]
    median = np.median(known)
    deviation = 1.4826 * np.median(np.abs(known - median))
    distance: Values = (values - median) / max(float(deviation), 1e-6)
    return distance


def _told(
    evidence: Evidence, mask: Mask, worst_first: Values, sentence: str, say: Callable[[int], str]
) -> Found | None:
    """What a rule found: readable pictures within ``mask``, by ``worst_first`` ascending."""
    positions = np.flatnonzero(mask & evidence.readable)
    if not len(positions):
        return None
    order = positions[np.argsort(worst_first[positions], kind="stable")].tolist()
    return Found(f"{_pictures(len(order))} {sentence}", order, details={i: say(i) for i in order})


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"


def _unreadable(evidence: Evidence, rule: Rule, what: str) -> Found | None:
    why = {i: _why(line) for i, line in evidence.facts.refused.items()}
    mine = [i for i, line in why.items() if _rule_of(evidence, i, line) is rule]
    return Found(f"{_pictures(len(mine))}: {what}", mine, details={i: why[i] for i in mine}) if mine else None


def _rule_of(evidence: Evidence, position: int, why: str) -> Rule:
    if not evidence.facts.records["sha256"][position].any():
        return UNOPENED
    return CUT_SHORT if "truncated" in why.lower() else DAMAGED


def _why(line: str) -> str:
    return textwrap.shorten(line.split(": ", 1)[-1], _UNREADABLE_SHOWN, placeholder=" ...")


def _unopened(evidence: Evidence) -> Found | None:
    return _unreadable(evidence, UNOPENED, "the file is missing, may not be read, or cannot be opened")


def _cut_short(evidence: Evidence) -> Found | None:
    return _unreadable(evidence, CUT_SHORT, "cut short")


def _damaged(evidence: Evidence) -> Found | None:
    return _unreadable(evidence, DAMAGED, "damaged, empty, too large, or no pictures that can be read here")


def _lost_end(evidence: Evidence) -> Found | None:
    hole, grey = evidence.facts.records["hole"], _field(evidence, "grey_end")
    return _told(
        evidence,
        hole | (grey >= _LOST),
        -grey,
        f"whose end is lost: zero bytes at the file's end, or {100 * _LOST:.0f} % of the rows filled in by the decoder",
        lambda i: "zero bytes at the end" if hole[i] else f"{100 * grey[i]:.0f} % of the rows",
    )


def _wrong_suffix(evidence: Evidence) -> Found | None:
    records = evidence.facts.records
    positions = np.flatnonzero((records["format"] > 0) & ~records["suffix_fits"]).tolist()
    if not positions:
        return None
    return Found(
        f"{_pictures(len(positions))} of another format than the file's name says",
        positions,
        details={i: f"is {FORMATS[records['format'][i]]}" for i in positions},
    )


def _exif_wrong(evidence: Evidence) -> Found | None:
    exif = evidence.facts.records["exif"]
    words = {
        ExifState.TURNED_ALREADY: "turned already, and to be turned again by EXIF",
        ExifState.IMPOSSIBLE: "an orientation that does not exist, other than 1 to 8",
        ExifState.BROKEN: "EXIF that cannot be read",
    }
    return _told(
        evidence,
        np.isin(exif, list(words)),
        np.zeros(len(exif)),
        "whose EXIF is wrong about how they lie",
        lambda i: words[ExifState(int(exif[i]))],
    )


def _exif_turned(evidence: Evidence) -> Found | None:
    turned = evidence.facts.records["exif"] == ExifState.TURNED
    sentence = "to be turned by EXIF, as hawklet does; programs that do not look at it show them otherwise"
    return _told(evidence, turned, np.zeros(len(turned)), sentence, lambda i: "")


def _tiny(evidence: Evidence) -> Found | None:
    height, width = _field(evidence, "height"), _field(evidence, "width")
    side = np.minimum(height, width)
    median = float(np.median(side[evidence.readable])) if evidence.readable.any() else 0.0
    least = min(max(median / 4, _LEAST_SIDE), _MOST_SIDE)
    return _told(
        evidence,
        side < least,
        side,
        f"with a side below {least:.0f} pixels, a quarter of the set's median within {_LEAST_SIDE}..{_MOST_SIDE}",
        lambda i: f"{width[i]:.0f} x {height[i]:.0f}",
    )


def _odd_shape(evidence: Evidence) -> Found | None:
    height, width = _field(evidence, "height"), _field(evidence, "width")
    shape = np.maximum(height, width) / np.maximum(np.minimum(height, width), 1)
    most = _SHAPE * float(np.median(shape[evidence.readable])) if evidence.readable.any() else 0.0
    return _told(
        evidence,
        shape > most,
        -shape,
        f"more than {most:.1f} times as long as wide, {_SHAPE:g} times the set's median",
        lambda i: f"{width[i]:.0f} x {height[i]:.0f}",
    )


def _flat(evidence: Evidence) -> Found | None:
    contrast = _field(evidence, "contrast")
    sentence = f"of nearly one tone: the grey deviates by at most {_FLAT:g} of 255 levels"
    return _told(evidence, contrast <= _FLAT, contrast, sentence, lambda i: f"deviates by {contrast[i]:.1f}")


def _seen(evidence: Evidence) -> Mask:
    """Pictures with anything to see, so that one without is not called dark and blurred as well."""
    return evidence.readable & (_field(evidence, "contrast") > _FLAT)


def _dark(evidence: Evidence) -> Found | None:
    highlight, seen = _field(evidence, "highlight"), _seen(evidence)
    dark = seen & (highlight < _DARK)
    if dark.sum() > _RARE * seen.sum():
        return None
    return _told(
        evidence,
        dark,
        highlight,
        f"dark: 95 % of the pixels below {_DARK:g} of 255, where at most {100 * _RARE:.0f} % of the set is so",
        lambda i: f"95 % below {highlight[i]:.0f}",
    )


def _over_exposed(evidence: Evidence) -> Found | None:
    burnt, seen = _field(evidence, "burnt"), _seen(evidence)
    light = seen & (burnt > _BURNT)
    if light.sum() > _RARE * seen.sum():
        return None
    return _told(
        evidence,
        light,
        -burnt,
        f"over-exposed: more than {100 * _BURNT:.0f} % with a channel at its end, in the middle too, where at most "
        f"{100 * _RARE:.0f} % of the set is so",
        lambda i: f"{100 * burnt[i]:.0f} % at its end",
    )


def _blurred(evidence: Evidence) -> Found | None:
    sharpness, seen = _field(evidence, "sharpness"), _seen(evidence)
    if not seen.any():
        return None
    distance = _distance(np.log(sharpness + 1e-4), seen)
    return _told(
        evidence,
        seen & (((distance < -_FAR) & (sharpness < _SOFT)) | (sharpness < _BLURRED)),
        sharpness,
        f"blurred: sharpness below {_SOFT:g} and {_FAR:g} deviations below the set's median, or below {_BLURRED:g}",
        lambda i: f"sharpness {sharpness[i]:.3f}",
    )


def _grey(evidence: Evidence) -> Found | None:
    colourfulness, seen = _field(evidence, "colourfulness"), _seen(evidence)
    grey = seen & (colourfulness <= _GREY)
    if grey.sum() > _RARE * seen.sum():
        return None
    return _told(
        evidence,
        grey,
        colourfulness,
        f"grey among coloured ones: colourfulness up to {_GREY:g}, where at most {100 * _RARE:.0f} % of the set is so",
        lambda i: "",
    )


UNOPENED = Rule("unopened", "Cannot be opened", Severity.ERROR, _unopened)
CUT_SHORT = Rule("cut_short", "Cut short", Severity.ERROR, _cut_short)
DAMAGED = Rule("damaged", "Damaged, or no pictures", Severity.ERROR, _damaged)
LOST_END = Rule("lost_end", "End lost", Severity.WARNING, _lost_end, Depth.PIXELS)
WRONG_SUFFIX = Rule("wrong_suffix", "Another format than the name says", Severity.WARNING, _wrong_suffix)
EXIF_WRONG = Rule("exif_wrong", "Wrong EXIF", Severity.WARNING, _exif_wrong)
FLAT = Rule("flat", "Nothing to see", Severity.WARNING, _flat, Depth.PIXELS)
DARK = Rule("dark", "Dark", Severity.NOTE, _dark, Depth.PIXELS)
OVER_EXPOSED = Rule("over_exposed", "Over-exposed", Severity.NOTE, _over_exposed, Depth.PIXELS)
BLURRED = Rule("blurred", "Blurred", Severity.NOTE, _blurred, Depth.PIXELS)
GREY = Rule("grey", "Grey among coloured", Severity.NOTE, _grey, Depth.PIXELS)
TINY = Rule("tiny", "Tiny", Severity.NOTE, _tiny)
ODD_SHAPE = Rule("odd_shape", "Odd shape", Severity.NOTE, _odd_shape)
EXIF_TURNED = Rule("exif_turned", "Turned by EXIF", Severity.NOTE, _exif_turned)
PICTURE_RULES = (
    UNOPENED,
    CUT_SHORT,
    DAMAGED,
    LOST_END,
    WRONG_SUFFIX,
    EXIF_WRONG,
    FLAT,
    DARK,
    OVER_EXPOSED,
    BLURRED,
    GREY,
    TINY,
    ODD_SHAPE,
    EXIF_TURNED,
)
