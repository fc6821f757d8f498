"""Every error hawklet raises on purpose. This module imports nothing of ours.

::

    HawkletError                      exit code 1, unless said otherwise
    ├── UsageError (ValueError)       a request that cannot be meant; exit code 2
    ├── MissingDependencyError (ImportError)   an extra is not installed; names the exact pip command
    ├── ImageError (ValueError)       one picture cannot be read as an upright RGB picture
    ├── DataError (ValueError)        a folder of photos cannot be trained or measured on
    ├── WeightsError (OSError)        pretrained weights are unreachable or not what their checksum says
    ├── TrainingError                 a training cannot go on: its loss is no number any more
    ├── ProcessLostError (OSError)    one of the processes that train together has ended before the others
    ├── StudyError                    a search for options cannot go on: its storage, or every one of its trials, fails
    ├── RunError (ValueError)         a run folder is incomplete or does not fit the request
    ├── ModelError (ValueError)       a model file cannot be loaded or executed
    ├── BundleError (ValueError)      a bundle is malformed, or not one of ours
    │   └── IntegrityError            its bytes are not those that were signed off by their digest
    ├── SelfTestError                 the golden frames came out differently here
    ├── BudgetError                   accuracy or latency misses what was asked for
    ├── CameraError (OSError)         a source stopped delivering frames, or delivers nonsense
    │   └── CameraNotFoundError       there is no such source
    ├── OutputError (OSError)         a result could not be delivered (MQTT broker, GPIO pin, file)
    ├── ResultError (ValueError)      a benchmark result is malformed, or may not be compared with another
    └── FlashError (OSError)          a board could not be reached, flashed or measured on
        └── HostKeyError              the board's SSH host key is unknown or has changed

A message states the rule, what was got, and the way out, in that order.
"""

from __future__ import annotations


class HawkletError(Exception):
    """Base of all errors that hawklet raises on purpose."""

    exit_code = 1


class UsageError(HawkletError, ValueError):
    """The request itself cannot be meant: a bad option value, two options that exclude each other."""

    exit_code = 2


class MissingDependencyError(HawkletError, ImportError):
    """An optional dependency is not installed."""

    @classmethod
    def for_extra(cls, module: str, extra: str, purpose: str) -> MissingDependencyError:
        """Build the one message for a missing extra: what needs which module, and the exact pip command."""
        return cls(
            f"{purpose} needs {module}, which is not installed; run: pip install 'hawklet[{extra}]' "
            f"(in a checkout: pip install '.[{extra}]')"
        )


class ImageError(HawkletError, ValueError):
    """A picture cannot be read as an upright RGB picture."""


class DataError(HawkletError, ValueError):
    """A folder of photos cannot be trained or measured on."""


class WeightsError(HawkletError, OSError):
    """Pretrained weights are unreachable or are not the file that their checksum names."""


class TrainingError(HawkletError):
    """A training cannot go on: its loss is no number any more."""


class ProcessLostError(HawkletError, OSError):
    """One of the processes that train together has ended, and the others cannot go on without it."""


class StudyError(HawkletError):
    """A search for options cannot begin or go on: its storage cannot be reached, or all its trials fail."""


class RunError(HawkletError, ValueError):
    """A run folder is incomplete, or does not fit the request."""


class ModelError(HawkletError, ValueError):
    """A model file cannot be loaded or executed."""


class BundleError(HawkletError, ValueError):
    """A bundle is malformed, or not a hawklet bundle."""


class IntegrityError(BundleError):
    """A file's bytes are not those its digest names."""


class SelfTestError(HawkletError):
    """The golden frames came out differently on this machine."""


class BudgetError(HawkletError):
    """The result misses the accuracy or latency that was asked for."""


class CameraError(HawkletError, OSError):
    """A source of frames failed."""


class CameraNotFoundError(CameraError):
    """There is no such source of frames."""


class OutputError(HawkletError, OSError):
    """A result could not be delivered."""


class ResultError(HawkletError, ValueError):
    """A benchmark result is malformed, or may not be compared with another."""


class FlashError(HawkletError, OSError):
    """A board could not be reached, flashed or measured on."""


class HostKeyError(FlashError):
    """The SSH host key of a board is unknown, or is not the one on record."""
