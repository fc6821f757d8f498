from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from hawklet import __version__, cli
from hawklet.errors import MissingDependencyError, SelfTestError, UsageError


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hawklet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _failing(error: Exception) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    code = "import sys; from hawklet.cli import main\ntry: main(['--help'])\nfinally: print(sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    for name in cli.COMMANDS:
        assert name in result.stdout
    for heavy in ("numpy", "PIL", "torch", "rich", "jinja2", "hawklet.classifier"):
        assert f"'{heavy}'" not in result.stdout


def test_version_is_the_packages() -> None:
    assert __version__ in _run("--version").stdout


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_has_help_and_exits_well(name: str) -> None:
    result = _run(name, "--help")
    assert result.returncode == 0, result.stderr
    assert "Usage: hawklet " + name in result.stdout


def test_a_misspelt_command_is_answered_with_the_nearest() -> None:
    result = _run("trian")
    assert result.returncode == 2
    assert "did you mean 'train'?" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UsageError("wrong option"), 2, "hawklet: wrong option"),
        (SelfTestError("differs here"), 1, "hawklet: differs here"),
        (MissingDependencyError.for_extra("torch", "train", "training"), 1, "pip install 'hawklet[train]'"),
        (PermissionError(13, "Permission denied", "x.json"), 1, "Permission denied: x.json"),
        (ZeroDivisionError("oops"), 1, "internal error"),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(
    error: Exception, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli._LazyGroup, "get_command", lambda *_: _failing(error))
    with pytest.raises(SystemExit) as caught:
        cli.main(["run"])
    assert caught.value.code == code
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("\n") == 1


def test_debug_shows_the_traceback_wherever_it_stands_and_keeps_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli._LazyGroup, "get_command", lambda *_: _failing(UsageError("x")))
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", "--debug"])
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert printed.endswith("hawklet: x\n")


def test_a_missing_extra_is_named_with_its_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "train", cli._Entry("absent_library.commands:train", "x", "train"))
    with pytest.raises(MissingDependencyError, match=r"pip install 'hawklet\[train\]'"):
        cli.hawklet.get_command(click.Context(cli.hawklet), "train")


def test_writing_into_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    shell = f"set -o pipefail; {sys.executable} -m hawklet --help | true"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (result.stderr, result.returncode) == ("", 0)
