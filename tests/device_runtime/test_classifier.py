from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from hawklet.acceptance import Acceptance, UnknownRule
from hawklet.bundle import Bundle, write_bundle
from hawklet.classifier import Classifier
from hawklet.engines.mock import MockEngine
from hawklet.errors import HawkletError, ModelError, UsageError
from hawklet.spec import Fit, Floats, OutputKind, Pixels, Rejection


def _mock(answer: list[float], **options: object) -> Classifier:
    engine = MockEngine(lambda _: np.array(answer, dtype=np.float32), classes=len(answer))
    labels = options.pop("labels", [f"class{i}" for i in range(len(answer))])
    return Classifier(engine, labels, tiny_models.SPEC, **options)  # type: ignore[arg-type]  # options are per test


@pytest.mark.parametrize("variant", [None, "float32-tflite", "float32-onnx"])
@pytest.mark.parametrize("colour", tiny_models.LABELS)
def test_a_bundle_names_the_colour_whatever_the_picture_size(
    tiny_bundle: Path, variant: str | None, colour: str
) -> None:
    classifier = Classifier.open(tiny_bundle, variant=variant)
    for side in (3, 16, 200):
        assert classifier.classify(tiny_models.solid(colour, side)).top.label == colour


def test_both_engines_give_the_same_scores(tiny_bundle: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    scores = [
        [p.score for p in Classifier.open(tiny_bundle, variant=v).classify(image).predictions]
        for v in ("float32-tflite", "float32-onnx")
    ]
    assert np.allclose(scores[0], scores[1], atol=1e-5)


def test_scores_are_probabilities_best_first() -> None:
    predictions = _mock([1.0, 3.0, 2.0]).classify(tiny_models.solid("red"), top_k=3).predictions
    assert [p.index for p in predictions] == [1, 2, 0]
    assert sum(p.score for p in predictions) == pytest.approx(1.0)


def test_equal_scores_keep_the_order_of_the_labels() -> None:
    predictions = _mock([0.0] * 10).classify(tiny_models.solid("red"), top_k=4).predictions
    assert [p.index for p in predictions] == [0, 1, 2, 3]


def test_a_higher_temperature_lowers_confidence_but_not_the_answer() -> None:
    cool, warm = (_mock([4.0, 0.0], temperature=t).classify(tiny_models.solid("red")).top for t in (1.0, 3.0))
    assert cool.label == warm.label
    assert warm.score < cool.score


def test_a_score_under_its_labels_threshold_is_not_accepted() -> None:
    image = tiny_models.solid("red")
    for label, rejection in (("class0", Rejection.DOUBTFUL), ("class1", None)):
        classifier = _mock([0.2, 0.0], acceptance=Acceptance({label: 0.9}))
        assert classifier.classify(image).rejection is rejection


def test_small_logits_are_unknown_however_sure_the_softmax_is() -> None:
    image = tiny_models.solid("red")
    unsure = Acceptance(unknown=UnknownRule(-8.0, 0.95))
    for logits, rejection in (([9.0, 1.0], None), ([4.0, -4.0], Rejection.UNKNOWN)):
        got = _mock(logits, acceptance=unsure).classify(image)
        assert got.top.score > 0.99
        assert (got.rejection, got.accepted) == (rejection, rejection is None)


def test_the_energy_is_that_of_the_bundles_temperature() -> None:
    # -T log(2 exp(2 / T)) = -2 - T log 2: -3.39 at T = 2, -2.69 at T = 1
    unsure = Acceptance(unknown=UnknownRule(-3.0, 0.95))
    for temperature, accepted in ((1.0, False), (2.0, True)):
        got = _mock([2.0, 2.0], temperature=temperature, acceptance=unsure).classify(tiny_models.solid("red"))
        assert got.accepted is accepted


def test_probabilities_have_no_energy_to_tell_the_unknown_by() -> None:
    with pytest.raises(ModelError, match="answers in probabilities"):
        _mock([0.5, 0.5], output=OutputKind.PROBABILITIES, acceptance=Acceptance(unknown=UnknownRule(0.0, 0.95)))


def test_a_bundles_own_rules_are_applied(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    models = {variant.file: bundle.read(variant.file) for variant in bundle.manifest.variants}
    # Logits are mean colours times 20 / 255: 17.3 for the strongest here, 7.8 each in a grey of 100.
    rules = replace(bundle.manifest, thresholds={"red": 1.0}, unknown=UnknownRule(-12.0, 0.95))
    write_bundle(tmp_path / "x.hawklet", rules, models, bundle.golden(), "# x")
    classifier = Classifier.open(tmp_path / "x.hawklet")
    grey = np.full((16, 16, 3), 100, dtype=np.uint8)
    said = [classifier.classify(picture).rejection for picture in (*map(tiny_models.solid, ("red", "blue")), grey)]
    assert said == [Rejection.DOUBTFUL, None, Rejection.UNKNOWN]


def test_probabilities_are_taken_as_they_come() -> None:
    top = _mock([0.25, 0.75], output=OutputKind.PROBABILITIES).classify(tiny_models.solid("red")).top
    assert top.score == pytest.approx(0.75)


def test_extreme_logits_do_not_overflow() -> None:
    assert _mock([1e30, -1e30]).classify(tiny_models.solid("red")).top.score == pytest.approx(1.0)


def test_an_output_that_is_no_number_is_refused() -> None:
    with pytest.raises(ModelError, match="NaN"):
        _mock([1.0, float("nan"), 0.0]).classify(tiny_models.solid("red"))


def test_labels_must_match_the_outputs() -> None:
    with pytest.raises(ModelError, match="2 labels for 3 outputs"):
        _mock([0.0, 0.0, 0.0], labels=["a", "b"])


def test_a_bare_model_needs_labels_and_runs_with_them(tmp_path: Path) -> None:
    model = tmp_path / "colour.tflite"
    model.write_bytes(tiny_models.colour_tflite())
    with pytest.raises(UsageError, match="--labels"):
        Classifier.open(model)
    labels = tmp_path / "labels.txt"
    labels.write_text("0 red\n1 green\n2 blue\n")
    classifier = Classifier.open(model, labels=labels)
    assert classifier.spec.fit is Fit.SQUASH
    assert classifier.classify(tiny_models.solid("green")).top.label == "green"


@pytest.mark.parametrize("options", [{"labels": "x"}, {"normalize": "0..1"}, {"fit": Fit.CROP}])
def test_a_bundle_refuses_options_it_answers_itself(tiny_bundle: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="carries its own"):
        Classifier.open(tiny_bundle, **options)  # type: ignore[arg-type]  # one option per case


def test_what_cannot_be_a_model_is_refused_in_one_line(tmp_path: Path) -> None:
    for name, content in {"a.tflite": b"", "b.tflite": b"\0" * 99, "c.onnx": b"junk", "d.pt": b"x"}.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(HawkletError) as caught:
            Classifier.open(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="no bundle or model"):
        Classifier.open(tmp_path / "absent.tflite")


def test_the_mock_engine_keeps_the_real_rules() -> None:
    def answer(_: Pixels) -> Floats:
        return np.zeros(3, dtype=np.float32)

    engine = MockEngine(answer, classes=3)
    with pytest.raises(ModelError, match="takes uint8"):
        engine.infer(np.zeros((8, 8, 3), dtype=np.uint8))
    engine.close()
    with pytest.raises(ModelError, match="closed"):
        engine.infer(np.zeros((16, 16, 3), dtype=np.uint8))
