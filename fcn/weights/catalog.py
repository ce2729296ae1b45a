"""The published nets that have a name here: facts only.

Sources: the README files and download scripts of the repositories named below. What was not stated there,
such as most checksums of Caffe's files, is None.
"""

from typing import TYPE_CHECKING

from fcn.system.download.file import Checksum, PublishedFile
from fcn.weights.published_net import License
from fcn.weights.published_net import PublishedNet as PublishedNet

if TYPE_CHECKING:  # it imports readers
    from fcn.weights.reader import Format

_BVLC = License(
    "unrestricted use (BVLC model license)",
    "yes",
    "https://github.com/shelhamer/fcn.berkeleyvision.org",
)
_FCN_MIT = License(
    "MIT; converted from weights for unrestricted use", "yes", "https://github.com/wkentaro/pytorch-fcn"
)
_CHAINER_MIT = License(
    "MIT; converted from weights for unrestricted use", "yes", "https://github.com/wkentaro/fcn"
)
_DILATION_MIT = License("MIT", "yes", "https://github.com/fyu/dilation")
_VGG = License("CC BY 4.0", "yes, with attribution", "https://www.robots.ox.ac.uk/~vgg/research/very_deep/")
_VGG_KERAS = License(
    "CC BY 4.0, converted", "yes, with attribution", "https://keras.io/api/applications/vgg/"
)
_TORCHVISION = License(
    "BSD 3-clause; trained on ImageNet, whose images are for research",
    "not stated for the weights",
    "https://github.com/pytorch/vision",
)
_APACHE = "Apache 2.0; trained on ImageNet, whose images are for research"
_ONNX = License(_APACHE, "not stated for the weights", "https://github.com/onnx/models")
_KERAS_HUB = License(_APACHE, "not stated for the weights", "https://github.com/keras-team/keras-hub")

_BERKELEY = "http://dl.caffe.berkeleyvision.org"
_DRIVE = "https://drive.google.com/uc?id="
_KERAS_URLS = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/",
    "https://github.com/fchollet/deep-learning-models/releases/download/v0.1/",
)
_ONNX_URLS = (
    "https://github.com/onnx/models/raw/main/validated/vision/classification/vgg/model/",
    "https://media.githubusercontent.com/media/onnx/models/main/validated/vision/classification/vgg/model/",
)
_AT_ONCE_SCALES = (0.01, 0.0001)
# VGG16 up to fc7; a score layer and its upsampling have some 100,000 for each 21 classes.
_BODY = 134_260_544
_CLASSIFIER = 138_357_544
_CONVOLUTIONS = 14_714_688


def _caffe(title: str, name: str, num_classes: int, score: str = "", md5: str = "") -> PublishedNet:
    """Returns one of the authors' FCNs."""
    checksum = Checksum("md5", md5, "wkentaro/fcn") if md5 else None
    file = PublishedFile(name, (f"{_BERKELEY}/{name}",), checksum)
    return PublishedNet(title, file, "caffe", num_classes, _BVLC, score, _BODY + 10_000 * num_classes)


def _converted(title: str, name: str, drive: str, md5: str, score: str) -> PublishedNet:
    """Returns a conversion of one of the authors' nets, for PyTorch (.pth) or Chainer (.npz)."""
    is_torch = name.endswith(".pth")
    checksum = Checksum("md5", md5, "wkentaro/pytorch-fcn" if is_torch else "wkentaro/fcn")
    file = PublishedFile(name, (f"{_DRIVE}{drive}",), checksum)
    format: Format = "torch" if is_torch else "chainer"
    license = _FCN_MIT if is_torch else _CHAINER_MIT
    scales = _AT_ONCE_SCALES if "atonce" in name else None
    return PublishedNet(title, file, format, 21, license, score, _BODY + 210_000, scales)


def _dilated(title: str, name: str, num_classes: int, score: str = "") -> PublishedNet:
    file = PublishedFile(name, (f"http://dl.yf.io/dilation/models/{name}",))
    return PublishedNet(title, file, "caffe", num_classes, _DILATION_MIT, score, _BODY + 10_000 * num_classes)


def _vgg(
    title: str,
    name: str,
    urls: tuple[str, ...],
    format: "Format",
    license: License,
    checksum: Checksum | None = None,
    size: int | None = None,
) -> PublishedNet:
    """Returns one of the files of VGG16; `urls` are those of folders, or of files under another name."""
    places = tuple(f"{url}{name}" if url.endswith("/") else url for url in urls)
    file = PublishedFile(name, places, checksum, size)
    return PublishedNet(title, file, format, None, license, parameters=_CLASSIFIER)


_FCN_32S, _FCN_16S = "63.6% mean IoU on seg11valid", "65.0% mean IoU on seg11valid"
_FCN_8S, _AT_ONCE = "65.5% mean IoU on seg11valid", "65.4% mean IoU on seg11valid"

NETS = {
    "fcn8s-voc": _caffe(
        "FCN-8s, Pascal VOC",
        "fcn8s-heavy-pascal.caffemodel",
        21,
        _FCN_8S,
        "c03b2953ebd846c270da1a8e8f200c09",
    ),
    "fcn16s-voc": _caffe("FCN-16s, Pascal VOC", "fcn16s-heavy-pascal.caffemodel", 21, _FCN_16S),
    "fcn32s-voc": _caffe("FCN-32s, Pascal VOC", "fcn32s-heavy-pascal.caffemodel", 21, _FCN_32S),
    "fcn8s-at-once-voc": _caffe("FCN-8s at once, Pascal VOC", "fcn8s-atonce-pascal.caffemodel", 21, _AT_ONCE),
    "fcn8s-context": _caffe("FCN-8s, PASCAL-Context", "pascalcontext-fcn8s-heavy.caffemodel", 60),
    "fcn16s-context": _caffe("FCN-16s, PASCAL-Context", "pascalcontext-fcn16s-heavy.caffemodel", 60),
    "fcn32s-context": _caffe("FCN-32s, PASCAL-Context", "pascalcontext-fcn32s-heavy.caffemodel", 60),
    "fcn32s-nyud": _caffe("FCN-32s, NYUDv2 color", "nyud-fcn32s-color-heavy.caffemodel", 40),
    "fcn8s-siftflow": _caffe("FCN-8s, SIFT Flow", "siftflow-fcn8s-heavy.caffemodel", 33),
    "fcn16s-siftflow": _caffe("FCN-16s, SIFT Flow", "siftflow-fcn16s-heavy.caffemodel", 33),
    "fcn32s-siftflow": _caffe("FCN-32s, SIFT Flow", "siftflow-fcn32s-heavy.caffemodel", 33),
    "fcn8s-voc-torch": _converted(
        "FCN-8s, Pascal VOC, for PyTorch",
        "fcn8s_from_caffe.pth",
        "1ieXWyoG68xqoHJPWdyrDyaIaaWlfmUxI",
        "de93e540ec79512f8770033849c8ae89",
        _FCN_8S,
    ),
    "fcn16s-voc-torch": _converted(
        "FCN-16s, Pascal VOC, for PyTorch",
        "fcn16s_from_caffe.pth",
        "1bctu58B6YH9bu6lBBSBB2rUeGlGhYLoP",
        "a2d4035f669f09483b39c9a14a0d6670",
        _FCN_16S,
    ),
    "fcn32s-voc-torch": _converted(
        "FCN-32s, Pascal VOC, for PyTorch",
        "fcn32s_from_caffe.pth",
        "11k2Q0bvRQgQbT6-jYWeh6nmAsWlSCY3f",
        "d3eb467a80e7da0468a20dfcbc13e6c8",
        _FCN_32S,
    ),
    "fcn8s-at-once-voc-torch": _converted(
        "FCN-8s at once, Pascal VOC, for PyTorch",
        "fcn8s-atonce_from_caffe.pth",
        "0B9P1L--7Wd2vblE1VUIxV1o2d2M",
        "bfed4437e941fef58932891217fe6464",
        _AT_ONCE,
    ),
    "fcn8s-voc-chainer": _converted(
        "FCN-8s, Pascal VOC, for Chainer",
        "fcn8s_from_caffe.npz",
        "1l_5RK28JRL19wpT22B-DY9We3TVXnnQQ",
        "256c2a8235c1c65e62e48d3284fbd384",
        _FCN_8S,
    ),
    "fcn16s-voc-chainer": _converted(
        "FCN-16s, Pascal VOC, for Chainer",
        "fcn16s_from_caffe.npz",
        "0B9P1L--7Wd2vcnBiXzZTcG9FU3c",
        "7c9b50a1a8c6c20d3855d4823bbea61e",
        _FCN_16S,
    ),
    "fcn32s-voc-chainer": _converted(
        "FCN-32s, Pascal VOC, for Chainer",
        "fcn32s_from_caffe.npz",
        "0B9P1L--7Wd2vTElpa1p3WFNDczQ",
        "b7f0a2e66229ccdb099c0a60b432e8cf",
        _FCN_32S,
    ),
    "fcn8s-at-once-voc-chainer": _converted(
        "FCN-8s at once, Pascal VOC, for Chainer",
        "fcn8s-atonce_from_caffe.npz",
        "0B9P1L--7Wd2vZ1RJdXotZkNhSEk",
        "5f3ffdc7fae1066606e1ef45cfda548f",
        _AT_ONCE,
    ),
    "dilation8-voc": _dilated("Yu & Koltun, Pascal VOC", "dilation8_pascal_voc.caffemodel", 21),
    "dilation8-camvid": _dilated(
        "Yu & Koltun, CamVid", "dilation8_camvid.caffemodel", 11, "65.3% mean IoU on CamVid's test"
    ),
    "vgg16-keras": _vgg(
        "VGG16 of ImageNet, Keras",
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        _KERAS_URLS,
        "keras",
        _VGG_KERAS,
        Checksum("md5", "64373286793e3c8b2b4e3219cbf3544b", "keras.applications.vgg16"),
        553_467_096,
    ),
    "vgg16-keras-notop": _vgg(
        "VGG16 of ImageNet, Keras, convolutions alone",
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        _KERAS_URLS,
        "keras",
        _VGG_KERAS,
        Checksum("md5", "6d6bbae143d832006294945121d1f1fc", "keras.applications.vgg16"),
        58_889_256,
    ),
    "vgg16-caffe": _vgg(
        "VGG16 of ImageNet, Caffe",
        "VGG_ILSVRC_16_layers.caffemodel",
        ("http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/",),
        "caffe",
        _VGG,
    ),
    "vgg16-torchvision": _vgg(
        "VGG16 of ImageNet, torchvision",
        "vgg16-397923af.pth",
        ("https://download.pytorch.org/models/",),
        "torch",
        _TORCHVISION,
        Checksum(
            "sha256",
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            "torchvision, which has its first digits in the name of the file",
        ),
        553_433_881,
    ),
    "vgg16-timm": _vgg(
        "VGG16 of ImageNet, torchvision's as safetensors",
        "vgg16.tv_in1k.safetensors",
        ("https://huggingface.co/timm/vgg16.tv_in1k/resolve/main/model.safetensors",),
        "safetensors",
        _TORCHVISION,
    ),
    "vgg16-onnx": _vgg(
        "VGG16 of ImageNet, ONNX model zoo",
        "vgg16-12.onnx",
        _ONNX_URLS,
        "onnx",
        _ONNX,
        Checksum("sha256", "722c42f53ca03a5480296bf8f9c85a151de3eed9ec982d7d2302ff6e2900c67b", "onnx/models"),
    ),
    "vgg16-keras-hub": _vgg(
        "VGG16 of ImageNet, torchvision's in KerasHub, convolutions alone",
        "vgg_16_imagenet.model.weights.h5",
        ("https://www.kaggle.com/api/v1/models/keras/vgg/keras/vgg_16_imagenet/3/download/model.weights.h5",),
        "keras_hub",
        _KERAS_HUB,
    )._replace(parameters=_CONVOLUTIONS),
}
"""The nets by the name that commands take, those that label pixels first."""
