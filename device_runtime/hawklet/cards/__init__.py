"""Six printable cards, synthetic photos of them, and the sheet to print: the data set that comes with hawklet.

Needs numpy and Pillow only, so that the synthetic camera works on any board.
"""

from hawklet.cards.artwork import CARDS, draw_card, draw_sign
from hawklet.cards.photo_set import PhotoSet, write_photo_set
from hawklet.cards.photography import BACKGROUND, CLASSES, photograph
from hawklet.cards.sheet import print_sheet

__all__ = [
    "BACKGROUND",
    "CARDS",
    "CLASSES",
    "PhotoSet",
    "draw_card",
    "draw_sign",
    "photograph",
    "print_sheet",
    "write_photo_set",
]
