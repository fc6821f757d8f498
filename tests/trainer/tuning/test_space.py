"""The space of a search: what a file may say, and what is refused in one clear line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hawklet.errors import UsageError
from hawklet_trainer.augment import Augment
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.train import TrainOptions
from hawklet_trainer.train_command import train
from hawklet_trainer.train_options import changed
from hawklet_trainer.training.terms import Optimizer
from hawklet_trainer.tune_command import SEARCHED, tune
from hawklet_trainer.tuning.dimension import Choice, Dimension, Range
from hawklet_trainer.tuning.networks import require_networks, usual_values
from hawklet_trainer.tuning.space import NETWORKS, SEARCHABLE, Space, default_space, read_space

TRAINING = TrainOptions(Path("photos"))
DEFAULT = default_space({}, TRAINING).dimensions


def _read(tmp_path: Path, text: str, **given: object) -> Space:
    (tmp_path / "space.yaml").write_text(text)
    return read_space(tmp_path / "space.yaml", given)


def test_lists_ranges_and_single_values_are_read_in_the_options_own_types(tmp_path: Path) -> None:
    space = _read(
        tmp_path,
        """
        model: [mobilenet_v2, resnet18]
        lr: {low: 1e-5, high: 1.0e-2, log: true}
        imgsz: {low: 160, high: 224, step: 32}
        label-smoothing: {low: 0, high: 0.2}
        flip: [true, false]
        augment: strong
        batch: {low: 16, high: 16}
        """,
    )
    assert space.dimensions == {
        "model": Choice(("mobilenet_v2", "resnet18")),
        "lr": Range(1e-5, 1e-2, log=True),
        "imgsz": Range(160, 224, step=32),
        "label_smoothing": Range(0.0, 0.2),
        "flip": Choice((True, False)),
    }
    assert space.fixed == {"augment": "strong", "batch": 16}
    whole = space.dimensions["imgsz"]
    assert isinstance(whole, Range) and whole.whole


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate: [1, 2]", r"got 'learning_rate' in .*; it may name model, .*lr, "),
        ("agument: [light, none]", r"got 'agument' in .*; did you mean augment\?"),
        ("seed: [1, 2]", r"seed in .* cannot be searched: it would be chosen for the luck it had on val"),
        ("augment: [light, heavy]", r"augment in .*: 'heavy' is not one of"),
        ("batch: [16, 1.5]", r"batch in .*: '1.5' is not a valid integer"),
        ("batch: {low: 0, high: 8}", r"batch in .*: 0 is not in the range x>=1"),
        ("weight_decay: {low: 0, high: 0.1, log: true}", r"with log: true low must be above 0"),
        ("weight_decay: {low: 0.2, high: 0.1}", r"low must not be above high, got 0.2 and 0.1"),
        ("weight_decay: {from: 0.1, to: 0.2}", r"a range is \{low: .., high: ..\}"),
        ("batch: {low: 8, high: 32, step: 0}", r"step must be a number above 0, got 0"),
        ("batch: {low: 8, high: 32, step: 0.5}", r"the step of whole numbers must be whole"),
        ("batch: {low: 8, high: 32, step: 8, log: true}", r"log and step exclude each other"),
        ("augment: {low: light, high: strong}", r"only numbers have a range; give a list"),
        ("augment: []", r"a list must have values, got none"),
        ("augment: [null, light]", r"a value must be a word or a number, got None"),
        ("augment: [[light], none]", r"a value must be a word or a number"),
        ("model: [mobilenet_v2, 'mine:build']", r"a file must not choose what code is imported, .*--model mine:build"),
        ("augment: light", r"there must be an option to search, got none with two values in "),
        ("- augment", r"must have lines of OPTION: VALUES, got list"),
        ("", r"must have lines of OPTION: VALUES, got NoneType"),
        ("augment: [light", r"--space must name a YAML file"),
        ("!!python/object/apply:os.system ['true']", r"--space must name a YAML file"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        _read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "none.yaml"))):
        read_space(tmp_path / "none.yaml", {})


def test_what_the_command_line_gives_is_not_searched_by_default_and_refused_in_a_file(tmp_path: Path) -> None:
    left = default_space({"model": "resnet18", "lr": 1e-3}, TRAINING).dimensions
    assert left.keys() == DEFAULT.keys() - {"model", "lr"}
    with pytest.raises(UsageError, match=r"either searched or given, got --label-smoothing and label_smoothing in"):
        _read(tmp_path, "label_smoothing: [0.0, 0.1]", label_smoothing=0.1)


def test_the_default_space_names_options_and_networks_that_there_are_within_what_they_take() -> None:
    models = DEFAULT["model"]
    assert isinstance(models, Choice) and set(models.values) <= MODELS.keys()
    for name, dimension in DEFAULT.items():
        for value in dimension.listed():
            assert SEARCHABLE[name].type.convert(str(value), SEARCHABLE[name], None) == value


@pytest.mark.parametrize(
    "given",
    [
        {},
        *({"optimizer": optimizer.value} for optimizer in Optimizer),
        *({"model": model} for model in MODELS),
        *({"augment": augment.value} for augment in Augment),
    ],
    ids=lambda given: next(iter(given.values()), "nothing given"),
)
def test_the_default_space_holds_what_a_training_does_by_itself_whatever_is_given(given: dict[str, str]) -> None:
    training = changed(TRAINING, given)
    space = default_space(given, training)
    assert usual_values(space, training).keys() == space.dimensions.keys()
    require_networks(space, training)


def test_the_default_ranges_are_around_what_the_optimizer_and_the_network_have() -> None:
    space = default_space({}, changed(TRAINING, {"optimizer": "sgd", "model": "inception_v3"}))
    assert space.dimensions["lr"] == Range(0.00167, 0.1, log=True)
    assert space.dimensions["weight_decay"] == Range(5e-6, 1e-3, log=True)
    assert space.dimensions["imgsz"] == Choice((224, 256, 288, 299))
    assert "weight_decay" not in default_space({}, changed(TRAINING, {"optimizer": "adam"})).dimensions


def test_the_networks_of_the_default_space_have_one_native_side() -> None:
    assert len({MODELS[str(name)].side for name in NETWORKS.values}) == 1


def test_the_help_says_of_what_is_searched_by_default_that_it_is() -> None:
    assert set(SEARCHED) == DEFAULT.keys()
    words = " ".join(CliRunner().invoke(tune, ["--help"], terminal_width=200).output.split())
    assert words.count("[default: searched]") == len(SEARCHED)
    assert "mobilenet_v2" not in words and "[default: adamw]" in words
    assert "[default: mobilenet_v2]" in CliRunner().invoke(train, ["--help"], terminal_width=200).output


def test_the_guide_shows_the_default_space_as_it_is(repository: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (repository / "docs" / "tune.md").read_text(), re.DOTALL)
    assert _read(tmp_path, blocks[0]).dimensions == DEFAULT


@pytest.mark.parametrize("name", DEFAULT)
def test_a_dimension_written_as_yaml_is_read_back(tmp_path: Path, name: str) -> None:
    assert _read(tmp_path, yaml.safe_dump({name: DEFAULT[name].plain()})).dimensions == {name: DEFAULT[name]}


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        (Choice((16, 32)), [16], [17, "16"]),
        (Range(160, 224, step=32), [160, 192, 224], [161, 256, 192.5, None]),
        (Range(1e-4, 0.1, log=True), [1e-4, 0.02], [0.0, 0.2, "0.02", True]),
    ],
)
def test_a_dimension_knows_what_it_holds(dimension: Dimension, inside: list[object], outside: list[object]) -> None:
    assert all(map(dimension.holds, inside)) and not any(map(dimension.holds, outside))


def test_positions_on_an_axis_follow_the_scale() -> None:
    assert Range(1e-4, 1e-2, log=True).position(1e-3) == pytest.approx(0.5)
    assert Range(160, 224, step=32).position(192) == 0.5
    assert Choice(("a", "b", "c")).position("c") == 1.0 and Choice(("a",)).position("a") == 0.0


def test_networks_are_every_combination_of_what_decides_them_and_of_nothing_else() -> None:
    space = Space({"imgsz": Range(160, 192, step=32), "lr": Range(1e-4, 1e-3), "width": Choice((0.5, 1.0))})
    assert list(space.networks()) == [
        {"width": 0.5, "imgsz": 160},
        {"width": 0.5, "imgsz": 192},
        {"width": 1.0, "imgsz": 160},
        {"width": 1.0, "imgsz": 192},
    ]
    with pytest.raises(UsageError, match="1000 different networks at most"):
        list(Space({"imgsz": Range(32, 1024), "model": Choice(("a", "b"))}).networks())
