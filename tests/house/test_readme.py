"""What the documentation shows, a test runs.

Every ``hawklet`` command in a fenced ``sh`` or ``console`` block is parsed by the real command; every fenced
``python`` block is executed. (The acceptance suite types the README's commands for real.)
"""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from PIL import Image

import tiny_models
from hawklet import cli
from shown_commands import blocks_of, commands_of

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_is_understood_by_the_program(page: Path) -> None:
    for words in commands_of(page):
        _parse(cli.hawklet, words, " ".join(words))


def _parse(command: click.Command, words: list[str], shown: str) -> None:
    if not words or words[0].startswith("-"):
        return
    name, rest = words[0], words[1:]
    assert isinstance(command, click.Group)
    sub = command.get_command(click.Context(command), name)
    assert sub is not None, f"there is no command for: hawklet {shown}"
    if isinstance(sub, click.Group):
        _parse(sub, rest, shown)
        return
    # Only the words are judged here: whether the files named exist is not the page's business.
    known = {option for parameter in sub.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    for word in rest:
        if word.startswith("--"):
            assert word.split("=")[0] in known, f"hawklet {name} has no {word}, shown as: hawklet {shown}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_snippet_shown_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_models.write_colour_bundle(tmp_path / "flowers.hawklet")
    Image.fromarray(tiny_models.solid("red")).save(tmp_path / "photo.jpg")
    for snippet in blocks_of(page, "python"):
        exec(compile(snippet, page.name, "exec"), {"__name__": "shown"})  # noqa: S102 -- running it is the test


EVERY_PAGE = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_page_and_file_that_is_linked_to_is_there(page: Path) -> None:
    missing = [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not missing


def test_the_readme_names_the_two_commands_that_do_everything() -> None:
    text = PAGES[0].read_text()
    assert "make demo" in text
    assert "make test" in text
