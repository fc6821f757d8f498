"""Every kind of source that can be imported, by name."""

from __future__ import annotations

from hawklet_trainer.data.importing.cifar import Cifar10, Cifar100
from hawklet_trainer.data.importing.class_folders import ClassFolders
from hawklet_trainer.data.importing.coco import Coco
from hawklet_trainer.data.importing.imagefolder import ImageFolder
from hawklet_trainer.data.importing.imagenet import ImageNet
from hawklet_trainer.data.importing.importer import Importer
from hawklet_trainer.data.importing.manifest import Manifest
from hawklet_trainer.data.importing.webdataset import WebDataset

IMPORTERS: dict[str, type[Importer]] = {
    importer.kind: importer
    for importer in (ClassFolders, Cifar10, Cifar100, ImageNet, Coco, Manifest, ImageFolder, WebDataset)
}
