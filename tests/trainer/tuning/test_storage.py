"""The storage of a study: odd paths, databases that are no such thing, and passwords that stay where they are."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from hawklet.errors import HawkletError, MissingDependencyError, StudyError, UsageError
from hawklet_trainer.tuning.storage import described, naming_failures, open_storage, storage_url

pytest.importorskip("optuna")
SECRET = "se{c@r/et"  # noqa: S105 -- of nobody
QUOTED = "se%7Bc%40r%2Fet"


def _all_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_without_a_url_it_is_a_file_of_the_folder_whatever_that_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "a b?{c}%20#x"
    folder.mkdir()
    url = storage_url(None, folder)
    open_storage(url)
    assert (folder / "study.db").is_file() and described(url) == str(folder / "study.db")


def test_what_is_no_url_is_refused_and_not_repeated() -> None:
    for given in ("nonsense", f"nonsense://me:{QUOTED}@host/x", f"postgresql://me:{QUOTED}@host:port/x"):
        with pytest.raises(UsageError, match="must be the URL of a database") as caught:
            storage_url(given, Path())
        assert QUOTED not in _all_of(caught.value) and given not in str(caught.value)


def test_a_driver_that_is_not_installed_is_named_as_such() -> None:
    with pytest.raises(
        MissingDependencyError, match=r"postgresql\+nosuch|of kind mysql\+pymysql needs a driver"
    ) as caught:
        open_storage(storage_url(f"mysql+pymysql://me:{QUOTED}@host/x", Path()))
    assert QUOTED not in _all_of(caught.value) and SECRET not in _all_of(caught.value)


def test_a_database_is_described_without_user_password_and_parameters() -> None:
    from sqlalchemy.engine import make_url

    url = make_url(f"postgresql+psycopg2://me:{QUOTED}@db.example:5432/studies?sslpassword=hidden")
    assert described(url) == "postgresql on db.example, database studies"


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("no database" * 100)
    with pytest.raises(StudyError, match=r"study\.db is not: file is not a database; .* the same command goes on"):
        open_storage(storage_url(None, tmp_path))


def test_a_machine_that_begins_at_the_same_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import IntegrityError

    from hawklet_trainer.tuning import storage

    tries, opened = [], storage._open

    def beaten_once(url: object) -> object:
        tries.append(url)
        if len(tries) == 1:
            raise IntegrityError("insert", {}, Exception("UNIQUE constraint failed: alembic_version.version_num"))
        return opened(url)

    monkeypatch.setattr(storage, "_open", beaten_once)
    monkeypatch.setattr(storage, "_PAUSE_S", 0.0)
    open_storage(storage_url(None, tmp_path))
    assert len(tries) == 2


def test_secrets_in_what_a_database_says_are_blanked_out() -> None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import OperationalError

    url = make_url(f"postgresql://me:{QUOTED}@host/x")
    with pytest.raises(HawkletError) as caught, naming_failures(url):
        raise OperationalError("select", {}, Exception(f"no access for me:{SECRET} at postgresql://me:{QUOTED}@host/x"))
    assert "no access for me:*** at ***" in str(caught.value)
    assert caught.value.__suppress_context__
