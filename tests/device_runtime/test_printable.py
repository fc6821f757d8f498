"""Names that others chose do not steer the terminal."""

from __future__ import annotations

from hawklet.printable import printable


def test_control_characters_become_question_marks_and_letters_of_all_languages_stay() -> None:
    assert printable("ev\x1b[31mil\r") == "ev?[31mil?"
    assert printable("Bäume 木") == "Bäume 木"
    assert printable("one\ntwo") == "one?two"
    assert printable("one\ntwo", lines=True) == "one\ntwo"
