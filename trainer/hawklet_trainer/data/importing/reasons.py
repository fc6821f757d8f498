"""Why pictures are left out, in the same words whatever they come from."""

MISSING = "the file is missing"
NO_PICTURE = "no picture by its name"
"""None of :data:`hawklet.images.IMAGE_SUFFIXES`."""
UNREADABLE = "the picture cannot be read"
ELSEWHERE = "the file's name leads out of the folder"
NO_LABEL = "no label"
NO_NAME = "the label is none of the class names, nor the number of one"
