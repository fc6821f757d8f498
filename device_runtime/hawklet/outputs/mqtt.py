"""Results to an MQTT broker, through paho-mqtt.

Published as the JSON object of :mod:`hawklet.outputs.jsonl`, retained, when the accepted label changes and at least
once a second; ``TOPIC/status`` holds ``online`` or, by the broker's last will, ``offline``.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from hawklet.errors import MissingDependencyError, OutputError, UsageError
from hawklet.outputs import Output
from hawklet.outputs.jsonl import to_dict
from hawklet.results import LiveResult

_CONNECT_TIMEOUT_S = 10.0
_HEARTBEAT_S = 1.0
_GOODBYE_S = 2.0
"""Seconds that a broker may take to hear that we leave."""


@dataclass(frozen=True)
class Broker:
    """Where to publish; its ``repr`` never shows the password."""

    host: str
    port: int
    topic: str
    tls: bool
    user: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"{self.host}:{self.port}/{self.topic}"

    @classmethod
    def parse(cls, url: str) -> Broker:
        """Read ``mqtt[s]://[user[:password]@]host[:port]/topic``; the password may be in HAWKLET_MQTT_PASSWORD.

        Raises:
            UsageError: the URL is another.
        """
        form = "--mqtt takes mqtt[s]://[user[:password]@]host[:port]/topic"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            # Without the cause, whose text may hold the password.
            raise UsageError(f"{form}; host or port cannot be read, or a letter must be written as %XX") from None
        topic = unquote(parts.path.strip("/"))
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or not topic or "+" in topic or "#" in url:
            raise UsageError(f"{form}, with a topic without + and #; scheme, host or topic is missing or another")
        tls = parts.scheme == "mqtts"
        password = unquote(parts.password) if parts.password else os.environ.get("HAWKLET_MQTT_PASSWORD")
        user = unquote(parts.username) if parts.username else None
        return cls(parts.hostname, port or (8883 if tls else 1883), topic, tls, user, password)


class MqttOutput(Output):
    """Publishes results; once connected, a lost broker is waited for and never stops the run.

    Args:
        url: See :meth:`Broker.parse`.

    Raises:
        OutputError: the broker cannot be reached or does not let us in.
    """

    def __init__(self, url: str) -> None:
        self._broker = Broker.parse(url)
        self._answered = threading.Event()
        self._refusal: str | None = None
        self._label: str | None = None
        self._next = 0.0
        self._client: Any = self._connect()

    def _connect(self) -> Any:
        try:
            import paho.mqtt.client as mqtt
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise MissingDependencyError.for_extra("paho-mqtt", "mqtt", "--mqtt") from error
        broker = self._broker
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        if broker.user:
            client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            client.tls_set()
        client.will_set(f"{broker.topic}/status", "offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.connect_timeout = _CONNECT_TIMEOUT_S
        try:
            client.connect(broker.host, broker.port)
        except (OSError, UnicodeError) as error:
            raise OutputError(f"no MQTT broker answers at {broker.host}:{broker.port}: {error}") from error
        client.loop_start()
        if not self._answered.wait(_CONNECT_TIMEOUT_S) or self._refusal is not None:
            client.loop_stop()
            reason = self._refusal or f"no answer within {_CONNECT_TIMEOUT_S:.0f} s"
            raise OutputError(f"the MQTT broker at {broker.host}:{broker.port} does not let us in: {reason}")
        return client

    def _on_connect(self, client: Any, _: Any, __: Any, reason: Any, ___: Any) -> None:
        """Called by the client's own thread, at every connection."""
        if reason.is_failure:
            self._refusal = str(reason)
        else:
            client.publish(f"{self._broker.topic}/status", "online", qos=1, retain=True)
        self._answered.set()

    def write(self, result: LiveResult) -> None:
        """See :meth:`Output.write`."""
        label = result.classification.top.label if result.classification.accepted else None
        now = time.monotonic()
        if label == self._label and now < self._next:
            return
        self._label, self._next = label, now + _HEARTBEAT_S
        if self._client.is_connected():
            self._client.publish(self._broker.topic, json.dumps(to_dict(result), ensure_ascii=False), retain=True)

    def close(self) -> None:
        """Say goodbye to the broker."""
        if self._client.is_connected():
            self._client.publish(f"{self._broker.topic}/status", "offline", qos=1, retain=True).wait_for_publish(
                _GOODBYE_S
            )
        self._client.disconnect()
        # It may be waiting for a broker that does not answer; its thread is a daemon and ends with the program.
        stopping = threading.Thread(target=self._client.loop_stop, daemon=True)
        stopping.start()
        stopping.join(_GOODBYE_S)
