"""Where results go. One base class with one method to write.

To add an output, subclass :class:`Output` in a module of its own and give it an option in ``hawklet.commands``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from hawklet.results import LiveResult, Summary


class Output(ABC):
    """Takes each result of a live run.

    An implementer must provide :meth:`write`, quickly: the live loop waits for it. It may override :meth:`finish`,
    called once with the summary of a run that ended well, and :meth:`close`. What cannot be delivered is raised as
    :class:`hawklet.errors.OutputError`, unless later results make up for it.
    """

    @abstractmethod
    def write(self, result: LiveResult) -> None:
        """Deliver one result."""

    def finish(self, summary: Summary) -> None:  # noqa: B027 -- optional by design; many outputs have nothing to add
        """Deliver the summary."""

    def close(self) -> None:  # noqa: B027 -- optional by design; many outputs hold nothing
        """Release what the output holds."""
