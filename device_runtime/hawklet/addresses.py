"""Network addresses as they may be shown: without what could be a password."""

from __future__ import annotations

import re

# Up to the last @ of the word, as a password may hold one; of the rest, host and port.
_ADDRESS = re.compile(r"""\b(rtsps?|https?|mqtts?)://(?:[^\s'"]*@)?([^\s'"/?#]*)[^\s'"]*""", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """The text with every camera's and broker's address cut down to scheme, host and port.

    Cameras take passwords before the host, in the path and in the query alike.
    """
    return _ADDRESS.sub(lambda found: f"{found[1].lower()}://{found[2]}", text)
