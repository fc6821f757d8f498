"""Addresses without what could be a password."""

from __future__ import annotations

import pytest

from hawklet.addresses import without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://cam:554/stream1", "rtsp://cam:554"),
        ("RTSP://admin:secret@cam/1", "rtsp://cam"),
        ("rtsp://admin:se@cr/e#t?@cam:554/1", "rtsp://cam:554"),
        ("http://cam/video?user=admin&pwd=secret", "http://cam"),
        ("--mqtt=mqtts://pi:secret@[::1]:8883/door --web 80", "--mqtt=mqtts://[::1]:8883 --web 80"),
        ("--source 'rtsp://pi:secret@cam/1' --quiet", "--source 'rtsp://cam' --quiet"),
        ("picamera2://0 synthetic://cards?seed=3", "picamera2://0 synthetic://cards?seed=3"),
    ],
)
def test_only_scheme_and_host_are_left(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
