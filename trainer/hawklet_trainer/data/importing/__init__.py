"""Photos brought in: every kind of source, by one importer each, becomes an index of pictures and labels.

* :mod:`~hawklet_trainer.data.importing.importer`: the seam, and :mod:`~hawklet_trainer.data.importing.registry`: who is
  behind it.
* :mod:`~hawklet_trainer.data.importing.bring_in`: a source in, ``index.csv`` and ``import.json`` out.
* :mod:`~hawklet_trainer.data.importing.recognise`: which kind a folder is, and its import for a training.
"""

from hawklet_trainer.data.importing.bring_in import import_photos
from hawklet_trainer.data.importing.importer import Importer
from hawklet_trainer.data.importing.recognise import for_training, recognise, refuse_foreign
from hawklet_trainer.data.importing.record import Record, read_record
from hawklet_trainer.data.importing.registry import IMPORTERS

__all__ = [
    "IMPORTERS",
    "Importer",
    "Record",
    "for_training",
    "import_photos",
    "read_record",
    "recognise",
    "refuse_foreign",
]
