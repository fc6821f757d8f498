"""A pin for a label: an LED (or a relay) that is on while that label is seen, through gpiozero."""

from __future__ import annotations

import difflib
import threading
import time
import warnings
from collections.abc import Sequence
from typing import Any

from hawklet.errors import MissingDependencyError, OutputError, UsageError
from hawklet.outputs import Output
from hawklet.results import LiveResult

_HOLD_S = 0.3
"""Seconds a pin stays on after its label was last seen, so that one odd frame does not make it flicker."""
_LOOK_S = 0.05
"""Seconds between two looks at whether a pin's time is over."""


class GpioOutput(Output):
    """Switches pins.

    Args:
        wishes: ``LABEL=PIN`` each; pins by their BCM number, as ``17``.
        labels: The labels the model knows.

    Raises:
        UsageError: a wish names an unknown label or no pin, or a pin twice.
        OutputError: this machine has no pins, or they may not be used.
    """

    def __init__(self, wishes: Sequence[str], labels: Sequence[str]) -> None:
        pins = _parse(wishes, labels)
        try:
            import gpiozero
            import gpiozero.exc
        except ImportError as error:
            raise MissingDependencyError.for_extra("gpiozero", "gpio", "--gpio") from error
        self._leds: dict[str, Any] = {}
        self._seen: dict[str, float] = {}
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of each library for pins that is not there
                for label, pin in pins.items():
                    self._leds[label] = gpiozero.LED(pin)
        except (gpiozero.exc.GPIOZeroError, OSError, ValueError) as error:
            self.close()
            raise OutputError(
                f"--gpio cannot use the pins of this machine: {' '.join(str(error).split())} "
                "(on a Raspberry Pi: sudo apt install python3-lgpio)"
            ) from error
        # By a thread of its own: when a camera stalls no result comes that could switch a relay off.
        self._watcher = threading.Thread(target=self._watch, name="hawklet-gpio", daemon=True)
        self._watcher.start()

    def write(self, result: LiveResult) -> None:
        """See :meth:`Output.write`."""
        if result.classification.accepted:
            self._seen[result.classification.top.label] = time.monotonic()
            self._switch()

    def _switch(self) -> None:
        now = time.monotonic()
        for label, led in self._leds.items():
            led.value = int(now - self._seen.get(label, float("-inf")) <= _HOLD_S)

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_S):
            self._switch()

    def close(self) -> None:
        """Switch everything off and let go of the pins."""
        self._ended.set()
        if self._watcher is not None:
            self._watcher.join()
        for led in self._leds.values():
            led.off()
            led.close()
        self._leds = {}


def _parse(wishes: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    pins: dict[str, int] = {}
    for wish in wishes:
        label, equals, pin = wish.rpartition("=")
        if not (equals and label and pin.isascii() and pin.isdigit()):
            raise UsageError(f"--gpio takes LABEL=PIN with a BCM pin number, as stop=17; got {wish}")
        if label not in labels:
            near = difflib.get_close_matches(label, labels, n=1)
            raise UsageError(
                f"--gpio: the model has no label {label!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
        if label in pins or int(pin) in pins.values():
            raise UsageError(f"--gpio: each label and each pin once, got {wish} a second time")
        pins[label] = int(pin)
    return pins
