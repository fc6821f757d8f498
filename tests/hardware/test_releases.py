"""Releases on a board, without a board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hawklet.errors import BundleError, FlashError
from hawklet.safefiles import sha256_of
from hawklet_hardware.flash.releases import Release, Store


def release_of(bundle: Path, **changes: object) -> Release:
    fields = {
        "model": "colours",
        "bundle_sha256": sha256_of(bundle),
        "hawklet_version": "0.1.0",
        "python": "/usr/bin/python3",
        "env": None,
        "run": ("--source", "synthetic://cards"),
    }
    return Release.make(**{**fields, **changes})  # type: ignore[arg-type] # the test names the fields


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "hawklet")


def test_a_truncated_bundle_leaves_nothing_and_the_previous_model_active(
    store: Store, tiny_bundle: Path, tmp_path: Path
) -> None:
    good = release_of(tiny_bundle)
    store.add(good, tiny_bundle)
    store.switch(good.id)
    for share in (0.1, 0.5, 0.9, 0.999):
        data = tiny_bundle.read_bytes()
        (tmp_path / "cut.hawklet").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(BundleError):
            store.add(release_of(tmp_path / "cut.hawklet"), tmp_path / "cut.hawklet")
    assert store.current() == good.id
    assert [folder.name for folder in (store.prefix / "releases").iterdir()] == [good.id]


def test_a_release_damaged_on_the_card_is_made_anew(store: Store, tiny_bundle: Path) -> None:
    release = release_of(tiny_bundle)
    folder = store.add(release, tiny_bundle)
    model = folder / "bundle" / "models" / "float32-tflite.tflite"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1])
    store.add(release, tiny_bundle)
    assert model.read_bytes() == whole


def test_a_release_that_is_whole_is_left_as_it_is(store: Store, tiny_bundle: Path) -> None:
    release = release_of(tiny_bundle)
    made = store.add(release, tiny_bundle).stat().st_ino
    assert store.add(release, tiny_bundle).stat().st_ino == made


def test_everything_that_decides_what_runs_is_in_the_name(tiny_bundle: Path) -> None:
    base = release_of(tiny_bundle)
    changes: list[dict[str, object]] = [{"env": "abc"}, {"python": "/x"}, {"run": ()}, {"hawklet_version": "9"}]
    ids = {release_of(tiny_bundle, **change).id for change in changes} | {base.id}
    assert len(ids) == 5
    assert {made[:16] for made in ids} == {sha256_of(tiny_bundle)[:16]}


def test_words_of_the_start_script_are_quoted(store: Store, tiny_bundle: Path) -> None:
    folder = store.add(release_of(tiny_bundle, run=("--source", "a b; rm -rf $HOME")), tiny_bundle)
    assert "--source 'a b; rm -rf $HOME'" in (folder / "start").read_text()


def test_switching_replaces_the_link_and_can_take_it_away(store: Store, tiny_bundle: Path) -> None:
    one, two = release_of(tiny_bundle), release_of(tiny_bundle, run=())
    for release in (one, two):
        store.add(release, tiny_bundle)
        store.switch(release.id)
        assert store.current() == release.id
    store.switch(None)
    assert store.current() is None


def test_pruning_spares_the_current_release_and_its_environment(store: Store, tiny_bundle: Path) -> None:
    releases = [release_of(tiny_bundle, env=f"env{number}") for number in range(4)]
    for release in releases:
        store.add(release, tiny_bundle)
        store.remember(release.id)
        (store.prefix / "envs" / str(release.env)).mkdir(parents=True)
    store.switch(releases[0].id)
    assert store.prune(keep=2) == [releases[1].id]
    assert store.history() == [releases[0].id, releases[2].id, releases[3].id]
    assert {folder.name for folder in (store.prefix / "envs").iterdir()} == {"env0", "env2", "env3"}


@pytest.mark.parametrize("name", ["../../etc", "", "current", "0" * 25, "x" * 16 + "-" + "0" * 8])
def test_only_a_release_name_leads_to_a_folder(store: Store, name: str) -> None:
    with pytest.raises(FlashError, match="hexadecimal"):
        store.folder(name)


def test_a_record_of_another_layout_is_refused(store: Store, tiny_bundle: Path) -> None:
    release = release_of(tiny_bundle)
    folder = store.add(release, tiny_bundle)
    (folder / "release.json").write_text(json.dumps(release.to_dict() | {"schema": "hawklet-release/9"}))
    with pytest.raises(FlashError, match="hawklet-release/1"):
        store.read(release.id)
