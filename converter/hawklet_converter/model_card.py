"""The bundle's MODEL_CARD.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hawklet.spec import CHANNELS
from hawklet_converter.pruning.sheet import UNPRUNED
from hawklet_converter.request import Row


def model_card(
    name: str, labels: Sequence[str], provenance: Mapping[str, Any], rows: Sequence[Row], channels: int = 3
) -> str:
    """Markdown: what it is, how well each file does, where it comes from, what it does not know."""
    quantization = provenance.get("quantization")
    lines = [
        f"# {name}",
        "",
        f"An image classifier ({provenance['architecture']}) for {len(labels)} classes: {', '.join(labels)}.",
        _answers(provenance.get("rejecting")),
        "",
        "| file | MB | top-1 val % | top-1 test % | agreement with float32 % |",
        "|---|---|---|---|---|",
        *(
            f"| {row.variant} | {row.bytes / 1e6:.2f} | {row.val:.1f} | {_percent(row.test)} | {row.agreement:.1f} |"
            for row in rows
        ),
        "",
        f"Measured on these files through hawklet's own runtime; {_data(provenance['data'])}.",
        "",
        f"All files take `uint8 [1, H, W, {channels}]` {CHANNELS[channels]} pixels, 0..255, and return `float32` "
        "logits.",
    ]
    if quantization:
        on = f", on {quantization['calibration']} training pictures" if quantization["calibration"] else ""
        lines += ["", f"The {quantization['recipe']} files: {quantization['method']}{on}."]
    if "rejecting" in provenance:
        lines += ["", *_rejecting(provenance["rejecting"])]
    if "pruning" in provenance:
        lines += ["", *_pruning(provenance["pruning"], provenance["latency"])]
    return "\n".join(lines) + "\n"


def _answers(rules: Mapping[str, Any] | None) -> str:
    if rules is None:
        return "It names the most likely of these classes for every picture, also for pictures that show none of them."
    return "It names the most likely of these classes, or says nothing, as stands below."


def _rejecting(rules: Mapping[str, Any]) -> Iterator[str]:
    """When the files say nothing, and what that did."""
    yield f"When it says nothing (fitted on {rules['fitted_on']}):"
    yield ""
    yield from (f"- {note}" for note in rules["notes"])
    if rules["classes"]:
        yield ""
        yield "| class | accepted from score | named so | accepted | right | precision % | ground |"
        yield "|---|---|---|---|---|---|---|"
        for one in rules["classes"]:
            figures = (one["named"], one["accepted"], one["right"], _percent(one["precision"]), one["ground"])
            label = one["label"].replace("|", "\\|")
            yield f"| {label} | {one['least']:.3g} | {' | '.join(map(str, figures))} |"


def _pruning(facts: Mapping[str, Any], measured_on: str) -> Iterator[str]:
    """What was measured of the pruned files, beside those of the unpruned network."""
    chosen = {point["variant"]: point for point in facts["points"] if point["chosen"]}
    whole = {point["variant"]: point for point in facts["points"] if point["kind"] == UNPRUNED}
    macs = [next(iter(points.values()))["macs"] / 1e6 for points in (chosen, whole)]
    yield (
        f"Channels were pruned away: {macs[0]:.0f} of {macs[1]:.0f} million multiply-accumulate operations remain. "
        f"Beside the unpruned network's files, timed in turns with one of them ({measured_on}):"
    )
    yield ""
    yield "| file | ms | unpruned | less time | top-1 val % | unpruned | top-1 test % | unpruned |"
    yield "|---|---|---|---|---|---|---|---|"
    for variant, after in chosen.items():
        if variant in whole:
            yield _beside(after, whole[variant], facts["cuts"].get(variant))
    if facts["recommended"] not in (None, next(iter(chosen.values()))["run"]):
        yield ""
        yield (
            "Another network of this latency did better on the validation pictures, and is recommended in its place: "
            f"`{facts['command']}`."
        )


def _beside(after: Mapping[str, Any], before: Mapping[str, Any], cut: float | None) -> str:
    cells = (
        after["variant"],
        *("-" if point["ms"] is None else f"{point['ms']:.2f}" for point in (after, before)),
        "-" if cut is None else f"{100 * cut:.1f} %",
        *(f"{point['val']:.1f}" for point in (after, before)),
        *(_percent(point["test"]) for point in (after, before)),
    )
    return f"| {' | '.join(cells)} |"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _data(data: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {split}" for split, count in data["counts"].items())
    return f"pictures: {counts}; data digest {str(data['digest'])[:16]}"
