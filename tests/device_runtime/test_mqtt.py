from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hawklet.errors import OutputError, UsageError
from hawklet.outputs.mqtt import Broker, MqttOutput
from made_live import made_result

mqtt = pytest.importorskip("paho.mqtt.client", reason="MQTT needs the extra 'mqtt'")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """A real mosquitto on loopback that lets in pi with the password s3cret."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("needs mosquitto, which is not installed")
    port = _free_port()
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "pi", "s3cret"], check=True, capture_output=True)
    passwords.chmod(0o644)
    tmp_path.chmod(0o755)
    settings = tmp_path / "mosquitto.conf"
    user = "user root\n" if os.geteuid() == 0 else ""
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n{user}")
    process = subprocess.Popen([program, "-c", str(settings)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert process.poll() is None, "mosquitto ended"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(10)


class _Listener:
    """Collects what is published below a topic."""

    def __init__(self, port: int) -> None:
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages: list[tuple[str, str]] = []
        self._came = threading.Condition()
        subscribed = threading.Event()
        self._client: Any = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set("pi", "s3cret")
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_connect = lambda client, *_: client.subscribe("door/#", qos=1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert subscribed.wait(20)

    def _on_message(self, _: Any, __: Any, message: Any) -> None:
        with self._came:
            self.messages.append((message.topic, message.payload.decode()))
            self._came.notify_all()

    def wait_for(self, count: int) -> list[tuple[str, str]]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.messages) >= count, 20), self.messages
            return list(self.messages)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_changes_are_published_and_the_status_follows_the_run(broker: int) -> None:
    listener = _Listener(broker)
    output = MqttOutput(f"mqtt://pi:s3cret@127.0.0.1:{broker}/door/camera")
    for label in ("red", "red", "red", "blue"):
        output.write(made_result(label))
    listener.wait_for(3)
    output.close()
    messages = listener.wait_for(4)
    listener.close()
    assert messages[0] == ("door/camera/status", "online")
    assert [json.loads(text)["label"] for topic, text in messages if topic == "door/camera"] == ["red", "blue"]
    assert messages[-1] == ("door/camera/status", "offline")


def test_a_wrong_password_is_refused_without_showing_it(broker: int) -> None:
    with pytest.raises(OutputError, match="does not let us in") as caught:
        MqttOutput(f"mqtt://pi:guessed@127.0.0.1:{broker}/door")
    assert "guessed" not in str(caught.value)


def test_the_password_may_come_from_the_environment(broker: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAWKLET_MQTT_PASSWORD", "s3cret")
    MqttOutput(f"mqtt://pi@127.0.0.1:{broker}/door").close()


def test_a_broker_that_is_not_there_is_named() -> None:
    with pytest.raises(OutputError, match=r"no MQTT broker answers at 127\.0\.0\.1"):
        MqttOutput(f"mqtt://127.0.0.1:{_free_port()}/door")


def test_the_address_is_read_and_never_shows_its_password() -> None:
    broker = Broker.parse("mqtts://pi:p%40ss@example.org/home/door")
    assert (broker.host, broker.port, broker.topic, broker.tls) == ("example.org", 8883, "home/door", True)
    assert broker.password == "p@ss"  # noqa: S105 -- the test's own
    assert "p@ss" not in repr(broker)
    for wrong in ("http://h/t", "mqtt://h", "mqtt:///t", "mqtt://h/a/#", "mqtt://h:99999/t"):
        with pytest.raises(UsageError, match="--mqtt takes"):
            Broker.parse(wrong)
