from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from hawklet.errors import OutputError, UsageError
from hawklet.outputs import gpio
from hawklet.spec import Rejection
from made_live import made_result

gpiozero = pytest.importorskip("gpiozero", reason="GPIO needs the extra 'gpio'")
MockFactory = pytest.importorskip("gpiozero.pins.mock").MockFactory

LABELS = ("stop", "turn-left", "background")


@pytest.fixture
def pins() -> Iterator[Any]:
    before = gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory = MockFactory()
    yield gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory.reset()
    gpiozero.Device.pin_factory = before


def test_a_pin_is_on_while_its_label_is_seen(pins: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(gpio.time, "monotonic", lambda: now[0])
    output = gpio.GpioOutput(("stop=17", "turn-left=27"), LABELS)
    output.write(made_result("stop"))
    assert (pins.pin(17).state, pins.pin(27).state) == (1, 0)
    now[0] += 0.2
    output.write(made_result("background"))
    assert pins.pin(17).state == 1, "one odd frame does not make it flicker"
    now[0] += 0.2
    output.write(made_result("turn-left"))
    assert (pins.pin(17).state, pins.pin(27).state) == (0, 1)
    output.close()
    assert pins.pin(27).state == 0


def test_a_pin_goes_off_although_no_result_comes_any_more(pins: Any) -> None:
    output = gpio.GpioOutput(("stop=17",), LABELS)
    output.write(made_result("stop"))
    deadline = time.monotonic() + 10
    while pins.pin(17).state:
        assert time.monotonic() < deadline, "the pin stayed on"
        time.sleep(0.02)
    output.close()


def test_an_answer_that_is_not_accepted_lights_nothing(pins: Any) -> None:
    output = gpio.GpioOutput(("stop=17",), LABELS)
    output.write(made_result("stop", rejection=Rejection.UNKNOWN))
    assert pins.pin(17).state == 0
    output.close()


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        (("stop",), "LABEL=PIN"),
        (("stop=GPIO17",), "LABEL=PIN"),
        (("stp=17",), "did you mean 'stop'"),
        (("stop=17", "turn-left=17"), "each label and each pin once"),
    ],
)
def test_a_wish_that_cannot_be_meant_is_refused(wishes: tuple[str, ...], words: str, pins: Any) -> None:
    with pytest.raises(UsageError, match=words):
        gpio.GpioOutput(wishes, LABELS)


def test_a_pin_that_does_not_exist_is_an_output_error(pins: Any) -> None:
    with pytest.raises(OutputError, match="--gpio"):
        gpio.GpioOutput(("stop=99",), LABELS)
