"""The sheet to print: six cards on A4 with their names and lines to cut along."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from hawklet import safefiles
from hawklet.cards.artwork import CARDS, draw_card
from hawklet.errors import UsageError

_DPI = 300
_PAGE_MM = (210, 297)
_CARD_MM = 84
_COLUMNS = 2
_SUFFIXES = {".pdf": "PDF", ".png": "PNG"}
_GREY = (120, 120, 120)


def print_sheet(path: Path) -> None:
    """Write the six cards as one A4 page at 300 dpi: a PDF, or a PNG if the file is named so.

    Raises:
        UsageError: the file name ends in neither ``.pdf`` nor ``.png``.
    """
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"the sheet is written as .pdf or .png, got {path.name!r}; set --print-cards cards.pdf")
    stream = io.BytesIO()
    draw_sheet().save(stream, kind, resolution=_DPI, dpi=(_DPI, _DPI), title="hawklet cards")
    safefiles.write_bytes(path, stream.getvalue())


def draw_sheet() -> Image.Image:
    """Draw the page: an RGB picture of 210 x 297 mm at 300 dpi."""
    page = Image.new("RGB", (_dots(_PAGE_MM[0]), _dots(_PAGE_MM[1])), "white")
    draw = ImageDraw.Draw(page)
    _write(draw, "hawklet cards - print in colour on A4 at 100 %, cut along the grey lines", (_PAGE_MM[0] / 2, 9), 4.0)
    gap = (_PAGE_MM[0] - _COLUMNS * _CARD_MM) / (_COLUMNS + 1)
    for number, name in enumerate(CARDS):
        column, row = number % _COLUMNS, number // _COLUMNS
        left, top = gap + column * (_CARD_MM + gap), 15 + row * (_CARD_MM + 9)
        _place(page, draw, name, left, top)
    return page


def _place(page: Image.Image, draw: ImageDraw.ImageDraw, name: str, left: float, top: float) -> None:
    card = draw_card(name, _dots(_CARD_MM))
    page.paste(card, (_dots(left), _dots(top)), card)
    edges = [_dots(left), _dots(top), _dots(left + _CARD_MM), _dots(top + _CARD_MM)]
    draw.rectangle(edges, outline=_GREY, width=2)
    _write(draw, name, (left + _CARD_MM / 2, top + _CARD_MM + 3.6), 4.0)


def _write(draw: ImageDraw.ImageDraw, words: str, centre_mm: tuple[float, float], height_mm: float) -> None:
    at = (_dots(centre_mm[0]), _dots(centre_mm[1]))
    draw.text(at, words, fill=_GREY, font=ImageFont.load_default(_dots(height_mm)), anchor="mm")


def _dots(millimetres: float) -> int:
    return round(millimetres / 25.4 * _DPI)
