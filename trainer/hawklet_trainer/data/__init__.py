"""Photos: listed, checked, split, digested and turned into pixels.

* :mod:`~hawklet_trainer.data.place`: where one picture's bytes are.
* :mod:`~hawklet_trainer.data.photo_set`: a set of photos in its splits, as a run has it and writes it down.
* :mod:`~hawklet_trainer.data.table`, :mod:`~hawklet_trainer.data.index`: the index of a data set, as a stream.
* :mod:`~hawklet_trainer.data.listing`: what pictures a folder or an index names;
  :mod:`~hawklet_trainer.data.distinct`: each once.
* :mod:`~hawklet_trainer.data.importing`: foreign layouts, made into an index.
* :mod:`~hawklet_trainer.data.splitting`, :mod:`~hawklet_trainer.data.identity`: into train, val and test, with copies
  and groups (:mod:`~hawklet_trainer.data.disjoint_sets`) kept together;
  :mod:`~hawklet_trainer.data.split_index`: as an index.
* :mod:`~hawklet_trainer.data.tally`: how many pictures each class has in each split;
  :mod:`~hawklet_trainer.data.fitness`: whether they can be trained on.
* :mod:`~hawklet_trainer.data.planes`: whether they have the planes that a network takes.
* :mod:`~hawklet_trainer.data.showing`: a look at them, before anything is done with them.
* :mod:`~hawklet_trainer.data.reading`: all of that for a training or a measurement.
* :mod:`~hawklet_trainer.data.pixels`: through the one preprocessing path.
* :mod:`~hawklet_trainer.data.pixel_source`, :mod:`~hawklet_trainer.data.workers`,
  :mod:`~hawklet_trainer.data.pixel_cache`, :mod:`~hawklet_trainer.data.order`: batch after batch, from memory, disk or
  the photos.
"""

from hawklet_trainer.data.photo_set import NEW_PLACE, SPLITS, Photo, PhotoSet
from hawklet_trainer.data.pixel_source import Cache, Loading, PixelSource
from hawklet_trainer.data.pixels import load_pixels
from hawklet_trainer.data.place import Place, Span
from hawklet_trainer.data.reading import read_labelled, read_photos

__all__ = [
    "NEW_PLACE",
    "SPLITS",
    "Cache",
    "Loading",
    "Photo",
    "PhotoSet",
    "PixelSource",
    "Place",
    "Span",
    "load_pixels",
    "read_labelled",
    "read_photos",
]
