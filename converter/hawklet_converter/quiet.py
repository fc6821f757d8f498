"""Keep the conversion libraries' chatter off the terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

_QUIET_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GLOG_minloglevel": "3",
    "JAX_PLATFORMS": "cpu",
    "TQDM_DISABLE": "1",
}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence both Python's and native code's output on file descriptors 1 and 2 while the block runs.

    The libraries' own words are worth nothing to a user who did nothing wrong; their exceptions still come through.
    """
    for key, value in _QUIET_ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    previous_level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    sys.stdout.flush()
    sys.stderr.flush()
    with Path(os.devnull).open("w") as sink, _descriptors_to(sink.fileno()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
                yield
        finally:
            logging.disable(previous_level)


@contextlib.contextmanager
def _descriptors_to(target: int) -> Iterator[None]:
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    try:
        for descriptor in (1, 2):
            os.dup2(target, descriptor)
        yield
    finally:
        for descriptor, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
