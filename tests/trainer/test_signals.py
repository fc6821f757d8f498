"""SIGINT and SIGTERM: asked, broken off, and as they were before."""

from __future__ import annotations

import signal
import sys
import time
import weakref

import pytest

from hawklet_trainer.signals import StopRequest, breaking_off


def test_the_first_interrupt_asks_and_the_second_breaks_off() -> None:
    heard: list[int] = []
    request = StopRequest(lambda: heard.append(1))
    with request.heeding_signals():
        assert not request.asked
        signal.raise_signal(signal.SIGINT)
        assert request.asked and heard == [1]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert heard == [1]


def test_an_interrupt_breaks_off_at_once_where_there_is_nothing_to_keep() -> None:
    request = StopRequest(lambda: None, worthwhile=lambda: False)
    with request.heeding_signals(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert not request.asked


def test_sigterm_breaks_off_with_its_exit_code_and_handlers_are_as_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for heeding in (breaking_off(), StopRequest(lambda: None).heeding_signals()):
        with pytest.raises(SystemExit) as end, heeding:
            signal.raise_signal(signal.SIGTERM)
        assert end.value.code == 128 + signal.SIGTERM
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


class _Thing:
    """Something that weak references may point to."""


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_that_comes_where_python_drops_exceptions_breaks_off_all_the_same(
    number: signal.Signals,
    error: type[BaseException],
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    thing = _Thing()
    seen = []
    reference = weakref.ref(thing, lambda dead: (seen.append(dead), signal.raise_signal(number)))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in a background job it is ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(error), breaking_off():
        del thing  # the callback's exception is dropped
        seen.append("went on")
        time.sleep(10)
    assert seen == [reference, "went on"]
    assert "ignored" not in capfd.readouterr().err


def test_a_signal_that_was_dropped_last_thing_breaks_off_before_the_handlers_are_put_back() -> None:
    thing, cleared = _Thing(), []
    reference = weakref.ref(thing, lambda dead: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit):
        try:
            with breaking_off():
                del thing
        finally:
            cleared.append(reference)
    time.sleep(0.2)  # by the default action the process would have ended by now
    assert cleared == [reference]


def test_an_exit_that_no_signal_asked_for_is_left_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda dropped: told.append(dropped.exc_value.code))
    thing = _Thing()
    reference = weakref.ref(thing, lambda dead: sys.exit(0))
    with breaking_off():
        del thing
        time.sleep(0.2)
    assert told == [0] and reference() is None
