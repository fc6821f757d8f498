"""How many of the shown cards were named rightly, where the source knows what it shows."""

from __future__ import annotations

from collections import Counter


class CardScore:
    """Counts showings: runs of frames with the same true label.

    A showing is named rightly when the label given most often, over the second half of its results, is the true one:
    the first half is left for the card to arrive and the picture to settle. A source without truth has no score.
    """

    def __init__(self) -> None:
        self._truth: str | None = None
        self._answers: list[str] = []
        self._shown = 0
        self._rightly = 0

    def add(self, truth: str | None, answer: str) -> None:
        """Take in one result; ``truth`` None means that nothing in particular is shown."""
        if truth != self._truth:
            self._judge()
            self._truth = truth
        if truth is not None:
            self._answers.append(answer)

    def _judge(self) -> None:
        if self._answers:
            settled = self._answers[len(self._answers) // 2 :]
            ((best, _),) = Counter(settled).most_common(1)
            self._shown += 1
            self._rightly += best == self._truth
        self._answers = []

    def result(self) -> tuple[int | None, int | None]:
        """Showings so far, and how many were named rightly; None, None when the source told no truth."""
        self._judge()
        return (self._shown, self._rightly) if self._shown else (None, None)
