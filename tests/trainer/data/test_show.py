"""``hawklet data show``: what it says, what its page holds, and what it takes."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hawklet import cli
from hawklet_trainer.data.index import IndexRow, write_index
from hawklet_trainer.data.place import Place, Span


@pytest.fixture
def show(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Call the command within an empty folder; gives exit code, output, errors, page and figures."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str | Path) -> Shown:
        with pytest.raises(SystemExit) as end:
            cli.main(["data", "show", *map(str, words), "--json", "figures.json"])
        said = capsys.readouterr()
        return Shown(int(end.value.code or 0), said.out, said.err, here)

    return call


class Shown:
    """What a call left."""

    def __init__(self, code: int, out: str, err: str, here: Path):
        self.code, self.out, self.err, self.here = code, out, err, here

    @property
    def page(self) -> str:
        """The HTML."""
        return (self.here / "photos.html").read_text(encoding="utf-8")

    @property
    def figures(self) -> dict[str, object]:
        """The JSON."""
        return json.loads((self.here / "figures.json").read_text(encoding="utf-8"))


Show = Callable[..., Shown]


def _draw(path: Path, colour: tuple[int, int, int] = (90, 90, 90), size: tuple[int, int] = (48, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.rglob("*"))}


def test_classes_splits_and_shares_are_counted(draw_photos: Callable[..., Path], show: Show) -> None:
    draw_photos(6, below="train")
    photos = draw_photos(2, below="val", first=500)
    shutil.rmtree(photos / "val" / "red")
    before = _files(photos)
    shown = show(photos)
    assert shown.code == 0 and _files(photos) == before, "nothing of the user's is touched"
    assert re.search(r"blue +6 +2 +8 +36\.4 %", shown.out) and re.search(r"red +6 +0 +6 +27\.3 %", shown.out)
    assert re.search(r"all +18 +4 +22 +100\.0 %", shown.out)
    assert "blue has 1.3 times the pictures of red (8 and 6)" in shown.out
    figures = shown.figures
    assert figures["schema"] == "hawklet-data-show/1" and figures["pictures"] == 22
    assert figures["splits"] == {"train": 18, "val": 4}
    assert figures["classes"]["red"] == {"pictures": 6, "share": 0.272727, "splits": {"train": 6, "val": 0}}
    assert figures["sizes"]["width"] == {"least": 72, "median": 72, "most": 72}
    assert figures["sizes"]["formats"] == {"PNG": 22} and figures["unreadable"] == []


def test_the_page_is_one_file_that_needs_nothing_from_outside(colour_photos: Path, show: Show) -> None:
    page = show(colour_photos).page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page) and "http" not in page and "<script" not in page
    assert page.count('alt="mean of the class"') == 3 and page.count("00000.png") == 2  # title and caption
    assert page.count('loading="lazy"') == 3 * (12 + 1)
    assert "prefers-color-scheme: dark" in page and page.count('class="all"') == 2


def test_names_are_text_and_never_markup(tmp_path: Path, show: Show) -> None:
    _draw(tmp_path / "photos" / "<b>bold [red]" / "<script>.png")
    _draw(tmp_path / "photos" / "plain" / "a.png")
    shown = show(tmp_path / "photos")
    assert "<b>bold [red]" in shown.out
    assert "<script>" not in shown.page and "&lt;script&gt;.png" in shown.page and "&lt;b&gt;bold" in shown.page


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' file names are text")
def test_names_that_are_no_text_are_shown_escaped(tmp_path: Path, show: Show) -> None:
    odd = tmp_path / "photos" / os.fsdecode(b"caf\xe9")
    _draw(odd / "a.png")
    (odd / os.fsdecode(b"\xff.png")).write_bytes(b"no picture")
    shown = show(tmp_path / "photos")
    assert shown.code == 0 and "caf\\udce9" in shown.out and "caf\\udce9" in shown.page
    assert shown.figures["unreadable"][0].startswith("caf\\udce9/\\udcff.png: not a picture")


def test_what_training_refuses_is_shown_all_the_same(tmp_path: Path, show: Show) -> None:
    photos = tmp_path / "photos"
    _draw(photos / "train" / "Rose" / "1.png")
    _draw(photos / "val" / "rose" / "1.png", size=(20, 60))
    shown = show(photos)
    assert shown.code == 0 and set(shown.figures["classes"]) == {"Rose", "rose"}
    assert "every class has as many pictures" in shown.out
    shutil.rmtree(photos / "val")
    assert "one class alone: a classifier needs at least two" in show(photos).out


def test_unreadable_pictures_are_counted_and_named_by_their_folder(
    draw_photos: Callable[..., Path], show: Show
) -> None:
    photos = draw_photos(3)
    (photos / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    whole = _draw(photos / "blue" / "whole.jpg", size=(300, 300)).read_bytes()
    (photos / "blue" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    shown = show(photos)
    lines = shown.figures["unreadable"]
    assert [line.split(":")[0] for line in lines] == ["blue/cut.jpg", "red/broken.jpg"]
    assert "cannot be read, of those looked at: 2" in shown.out and "red/broken.jpg: not a picture" in shown.out
    assert "red/broken.jpg: not a picture" in shown.page
    assert shown.figures["classes"]["red"]["pictures"] == 4


def test_an_index_with_pictures_within_a_shard_is_shown(tmp_path: Path, show: Show) -> None:
    picture = _draw(tmp_path / "one.png", (0, 0, 220)).read_bytes()
    shard = tmp_path / "data" / "train-0.tar"
    shard.parent.mkdir()
    shard.write_bytes(picture * 3)
    rows = [IndexRow(Place(shard, Span(n * len(picture), len(picture))), f"class{n % 2}", "train") for n in range(3)]
    write_index(tmp_path / "data" / "index.csv", rows)
    shown = show(tmp_path / "data")
    assert shown.figures["splits"] == {"train": 3} and shown.figures["sizes"]["pictures"] == 3
    assert "train-0.tar" in shown.page


def test_pictures_stand_upright_in_the_figures(tmp_path: Path, show: Show) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for label in ("a", "b"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        Image.new("RGB", (80, 40)).save(tmp_path / "photos" / label / "1.jpg", exif=exif)
    sizes = show(tmp_path / "photos").figures["sizes"]
    assert (sizes["width"]["median"], sizes["height"]["median"]) == (40, 80)


def test_the_same_seed_shows_the_same_pictures(draw_photos: Callable[..., Path], show: Show) -> None:
    photos = draw_photos(20)
    pages = [show(photos, "--per-class", 3, "--seed", seed).page for seed in (1, 1, 2)]
    assert pages[0] == pages[1] != pages[2]
    assert pages[0].count('loading="lazy"') == 3 * (3 + 1) and "20 pictures, 3 of them" in pages[0]


def test_an_augmentation_can_be_looked_at_without_training(colour_photos: Path, show: Show) -> None:
    page = show(colour_photos, "--augment", "strong").page
    assert "Augmentation: strong" in page and "One operation" not in page and "TrivialAugment" in page
    assert page.count('alt="augmented"') == 25 and page.count('alt="mixed"') == 10
    assert re.search(r"0\.\d\d (blue|green|red), 0\.\d\d (blue|green|red)", page)


@pytest.mark.parametrize(
    ("make", "words", "code", "message"),
    [
        (lambda folder: None, (), 1, "there is no folder"),
        (lambda folder: folder.mkdir(), (), 1, "there must be pictures to show, got none in"),
        (lambda folder: (folder / "a").mkdir(parents=True), (), 1, "bring other layouts in: hawklet data import"),
        (lambda folder: _draw(folder / "a" / "1.png"), ("--per-class", "0"), 2, "--per-class"),
        (lambda folder: _draw(folder / "a" / "1.png"), ("--html", "."), 1, "Is a directory"),
        (lambda folder: _draw(folder / "a" / "1.png"), ("--augment", "wild"), 2, "'wild' is not one of"),
    ],
)
def test_a_bad_request_is_one_clear_line(
    tmp_path: Path,
    show: Show,
    make: Callable[[Path], object],
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    make(tmp_path / "photos")
    shown = show(tmp_path / "photos", *words)
    assert shown.code == code and message in shown.err and "Traceback" not in shown.err
    assert list(shown.here.iterdir()) == []


def test_a_link_that_loops_is_refused_by_name(tmp_path: Path, show: Show) -> None:
    _draw(tmp_path / "photos" / "a" / "1.png")
    (tmp_path / "photos" / "a" / "again").symlink_to(tmp_path / "photos" / "a")
    shown = show(tmp_path / "photos")
    assert shown.code == 1 and "folders must not contain themselves" in shown.err


def test_many_classes_are_shown_by_their_largest_and_smallest_on_a_terminal(tmp_path: Path, show: Show) -> None:
    one = _draw(tmp_path / "one.png", size=(8, 8))
    rows = [IndexRow(Place(one), f"class{n:03d}") for n in range(60) for _ in range(1 + (n == 7))]
    write_index(tmp_path / "data" / "index.csv", rows)
    shown = show(tmp_path / "data")
    assert "... 20 more ..." in shown.out and re.search(r"class007 +2", shown.out)
    assert len(shown.figures["classes"]) == 60 and shown.figures["imbalance"] == 2.0


def test_torch_is_loaded_only_to_augment(colour_photos: Path, tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys; from hawklet import cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit: print(sorted({'torch', 'torchvision'} & sys.modules.keys()))"
    )
    words = [sys.executable, "-c", code, "data", "show", str(colour_photos), "--html", str(tmp_path / "page.html")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.endswith("[]\n")


@pytest.mark.shared_data
def test_real_photos_of_every_awkward_kind_are_shown_or_named(shared_data: Path, tmp_path: Path, show: Show) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "awkward").symlink_to(shared_data / "awkward_images")
    (photos / "flowers").symlink_to(shared_data / "flowers5" / "test" / "roses")
    shown = show(photos)
    assert shown.code == 0
    figures = shown.figures
    assert figures["classes"]["flowers"]["pictures"] == 50
    readable = figures["sizes"]["pictures"]
    assert readable >= 50 + 40 and figures["pictures"] - readable <= len(figures["unreadable"]) <= 15
    assert all(line.startswith("awkward/") for line in figures["unreadable"])


def test_layouts_that_are_imported_first_are_refused_saying_how(tmp_path: Path, show: Show) -> None:
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    (tmp_path / "coco" / "annotations" / "instances_val.json").write_text("{}")
    shown = show(tmp_path / "coco")
    assert shown.code == 1 and f"hawklet data import coco {tmp_path / 'coco'} " in shown.err


def test_a_flat_folder_of_pictures_is_told_where_they_belong(tmp_path: Path, show: Show) -> None:
    _draw(tmp_path / "photos" / "1.png")
    shown = show(tmp_path / "photos")
    assert shown.code == 1 and "put each class's pictures into a folder of its own" in shown.err


def test_small_pictures_have_megapixels_other_than_nought(tmp_path: Path, show: Show) -> None:
    _draw(tmp_path / "photos" / "a" / "1.png", size=(32, 32))
    shown = show(tmp_path / "photos")
    assert "megapixels 0.001 0.001 0.001" in shown.out and shown.page.count("<td>0.001</td>") == 3
    assert "1 picture of 1 class;" in shown.err


def test_sizes_that_are_all_alike_are_told_in_words_instead_of_one_bar(tmp_path: Path, show: Show) -> None:
    _draw(tmp_path / "photos" / "a" / "1.png", size=(32, 32))
    page = show(tmp_path / "photos").page
    assert "All from 32 to below 64" in page and "<rect" not in page
    _draw(tmp_path / "photos" / "a" / "2.png", size=(300, 300))
    assert show(tmp_path / "photos").page.count("<rect") == 6


def test_a_class_without_pictures_is_counted_as_check_does(draw_photos: Callable[..., Path], show: Show) -> None:
    photos = draw_photos(3)
    (photos / "empty").mkdir()
    shown = show(photos, "--augment", "light")
    assert re.search(r"empty +0 +0\.0 %", shown.out) and "without pictures: empty\n" in shown.out
    assert shown.figures["classes"]["empty"]["pictures"] == 0 and shown.figures["imbalance"] == 1.0
    assert "There are no pictures in its folder." in shown.page
