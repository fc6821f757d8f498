"""Where a bundle comes from, for its manifest."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from hawklet.safefiles import sha256_of
from hawklet_converter.request import Row
from hawklet_converter.search import Found
from hawklet_converter.work import Work
from hawklet_hardware.targets import target_named
from hawklet_trainer.run import BEST

_LIBRARIES = ("torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "onnx", "onnxruntime", "torch-pruning")


def library_versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def _assumed(target: str) -> dict[str, Any]:
    """What the target's profile says of how the files will run."""
    profile = target_named(target)
    delegates = {model_format.value: list(names) for model_format, names in profile.delegate.items()}
    return {"board": profile.id, "threads": profile.threads, "delegate": delegates}


def provenance_of(work: Work, found: Found | None, rows: tuple[Row, ...], before: float) -> dict[str, Any]:
    """Plain JSON types; ``before`` is the float network's top-1 on the validation pictures."""
    request, run = work.request, work.run
    facts: dict[str, Any] = {
        # The folder as it was typed: where `hawklet verify` looks for the pictures.
        "run": {"folder": str(request.run), "weights_sha256": sha256_of(run.folder / BEST)},
        "architecture": run.architecture.describe(),
        "data": {key: run.manifest["data"].get(key) for key in ("digest", "counts")},
        "weights": run.manifest.get("weights"),
        "training_seed": run.manifest.get("seed"),
        "seed": request.seed,
        "target": request.target,
        "assumed": _assumed(request.target),
        "max_drop": request.max_drop,
        "float_val_top1": before,
        "versions": library_versions(),
        "conversion": [vars(row) for row in rows],
    }
    if found is not None:
        facts["quantization"] = {
            "recipe": found.chosen.recipe,
            "method": found.chosen.method,
            "calibration": len(work.pictures.calibration) if found.chosen.plan else 0,
            "float_layers": list(found.chosen.float_layers),
            "float_macs_share": found.chosen.float_macs_share,
            "budget_s": request.budget_s,
            "prefer": request.prefer.value,
            "tried": [candidate.to_row(before) for candidate in found.tried],
            "left_out": list(found.left_out),
            "failed": dict(found.failed),
        }
    return facts
