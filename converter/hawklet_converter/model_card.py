"""The bundle's MODEL_CARD.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hawklet_converter.request import Row


def model_card(name: str, labels: Sequence[str], provenance: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Markdown: what it is, how well each file does, where it comes from, what it does not know."""
    quantization = provenance.get("quantization")
    lines = [
        f"# {name}",
        "",
        f"An image classifier ({provenance['architecture']}) for {len(labels)} classes: {', '.join(labels)}.",
        "It names the most likely of these classes for every picture, also for pictures that show none of them.",
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
        "All files take `uint8 [1, H, W, 3]` RGB pixels, 0..255, and return `float32` logits.",
    ]
    if quantization:
        on = f", on {quantization['calibration']} training pictures" if quantization["calibration"] else ""
        lines += ["", f"The {quantization['recipe']} files: {quantization['method']}{on}."]
    if provenance["prune"]:
        lines += ["", f"{provenance['prune']:.0%} of the channels were pruned away."]
    return "\n".join(lines) + "\n"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _data(data: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {split}" for split, count in data["counts"].items())
    return f"pictures: {counts}; data digest {str(data['digest'])[:16]}"
