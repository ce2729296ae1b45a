"""Writes weights of random nets with libraries that publish them: a program for the environment of peers.

Its arguments are the name of a function below, without `write_`, and a folder. There it writes files as the
library does, and `expected.npz`: an image, what the library computes from it, and versions. The nets are the
libraries' own classes, with few channels.
"""

import importlib.metadata
import importlib.util
import os
import sys
import types
import warnings
from pathlib import Path

import numpy as np

# Imports of libraries are in functions: this file is also searched for examples elsewhere.
CONVOLUTIONS = [4, 4, "M", 8, 8, "M", 16, 16, 16, "M", 32, 32, 32, "M", 32, 32, 32, "M"]
FC_CHANNELS, NUM_CLASSES = 24, 10
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BGR_MEAN = (104.00699, 116.66877, 122.67892)


def image_of(height=224, width=224):
    """An image, `float32[1, height, width, 3]`, RGB, 0..255."""
    return np.random.default_rng(0).integers(0, 256, (1, height, width, 3)).astype(np.float32)


def write_expected(folder, image, libraries, **arrays):
    versions = np.array([f"{library.__name__} {library.__version__}" for library in libraries])
    np.savez(folder / "expected.npz", image=image, versions=versions, **arrays)


def normalized(image):
    """The image as torchvision's nets take it."""
    import torch

    scaled = (image / 255 - IMAGENET_MEAN) / IMAGENET_DEVIATION
    return torch.from_numpy(scaled.transpose(0, 3, 1, 2).astype(np.float32))


def randomize(net):
    import torch

    torch.manual_seed(0)
    for parameter in net.parameters():
        if parameter.ndim > 1:
            torch.nn.init.kaiming_uniform_(parameter)
        else:
            torch.nn.init.uniform_(parameter, -0.1, 0.1)
    return net.eval()


def torchvision():
    """The library; its operators in C++ need a build with CUDA, and no VGG uses them."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

    torchvision.library_of_operators = library  # it goes with its last reference
    return torchvision


def torchvision_vgg16():
    from torch import nn

    library = torchvision()
    net = library.models.VGG(library.models.vgg.make_layers(CONVOLUTIONS), NUM_CLASSES)
    first, last = net.classifier[0], net.classifier[6]
    assert (first.in_features, last.out_features) == (512 * 49, NUM_CLASSES)
    net.classifier[0] = nn.Linear(CONVOLUTIONS[-2] * 49, FC_CHANNELS)
    net.classifier[3] = nn.Linear(FC_CHANNELS, FC_CHANNELS)
    net.classifier[6] = nn.Linear(FC_CHANNELS, NUM_CLASSES)
    return library, randomize(net)


def write_torchvision(folder):
    import safetensors
    import torch
    from safetensors.torch import save_file

    library, net = torchvision_vgg16()
    image = image_of()
    with torch.no_grad():
        pool5 = net.features(normalized(image))
        fc7 = net.classifier[:5](torch.flatten(net.avgpool(pool5), 1))
    write_expected(folder, image, [torch, library, safetensors], pool5=pool5.numpy(), fc7=fc7.numpy())
    state = net.state_dict()
    torch.save(state, folder / "zip.pth")
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({name: values.double() for name, values in state.items()}, folder / "double.pth")
    torch.save(dict(net.named_parameters()), folder / "parameters.pth")
    save_file(state, folder / "net.safetensors")
    torch.save(net, folder / "module.pth")
    optimizer = torch.optim.Adam(net.parameters(), 0.0)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    kept = {"epoch": 1, "arch": "VGG", "optim_state_dict": optimizer.state_dict(), "model_state_dict": state}
    torch.save(kept, folder / "checkpoint.pth")
    # As torchvision's vgg16_features files are.
    for name, values in state.items():
        if name.startswith("classifier"):
            values.fill_(torch.nan)
    torch.save(state, folder / "features.pth")


def write_onnx(folder):
    import onnx
    import torch

    library, net = torchvision_vgg16()
    image = image_of()
    inputs = normalized(image)
    with torch.no_grad():
        pool5 = net.features(inputs)
        fc7 = net.classifier[:5](torch.flatten(net.avgpool(pool5), 1))
    write_expected(folder, image, [torch, library, onnx], pool5=pool5.numpy(), fc7=fc7.numpy())
    torch.onnx.export(net, (inputs,), folder / "traced.onnx", dynamo=False)
    torch.onnx.export(net, (inputs,), folder / "exported.onnx", dynamo=True, external_data=False)
    torch.onnx.export(net, (inputs,), folder / "external.onnx", dynamo=True, external_data=True)


def write_timm(folder):
    import torch

    torchvision()
    import timm
    from timm.layers import ClassifierHead
    from timm.models import vgg

    net = vgg.VGG(CONVOLUTIONS, NUM_CLASSES)
    net.num_features = net.head_hidden_size = FC_CHANNELS
    net.pre_logits = vgg.ConvMlp(CONVOLUTIONS[-2], FC_CHANNELS, 7, mlp_ratio=1.0)
    net.head = ClassifierHead(FC_CHANNELS, NUM_CLASSES)
    net.pretrained_cfg = net.default_cfg = timm.models.get_pretrained_cfg("vgg16.tv_in1k").to_dict()
    randomize(net)
    image = image_of()
    inputs = normalized(image)
    with torch.no_grad():
        pool5 = net.features(inputs)
        fc7 = net.pre_logits(pool5)
    write_expected(folder, image, [torch, timm], pool5=pool5.numpy(), fc7=fc7.numpy()[..., 0, 0])
    timm.models.save_for_hf(net, folder, safe_serialization="both")


def write_keras_hub(folder):
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import keras_hub

    keras.utils.set_random_seed(0)
    filters = [CONVOLUTIONS[place] for place in (0, 3, 6, 10, 14)]
    backbone = keras_hub.models.VGGBackbone([2, 2, 3, 3, 3], filters, image_shape=(224, 224, 3))
    net = keras_hub.models.VGGImageClassifier(
        backbone, NUM_CLASSES, preprocessor=None, pooling_hidden_dim=FC_CHANNELS
    )
    for weight in net.weights:
        if len(weight.shape) == 1:
            weight.assign(keras.random.uniform(weight.shape, -0.1, 0.1, seed=1))
    image = image_of()
    pool5 = backbone(normalized(image).permute(0, 2, 3, 1))
    fc7 = pool5
    for layer in net.head.layers:
        fc7 = layer(fc7)
        if layer.name == "fc2":
            break
    pool5, fc7 = (keras.ops.convert_to_numpy(one) for one in (pool5, fc7))
    write_expected(folder, image, [keras, keras_hub], pool5=pool5.transpose(0, 3, 1, 2), fc7=fc7[:, 0, 0])
    net.save_weights(folder / "whole.weights.h5")
    net.save_to_preset(str(folder / "preset"))


def channels_of(published):
    """Few channels in place of those of a published net; those of images and classes stay."""
    return published if published < 64 else published // 32 if published < 4096 else FC_CHANNELS


def without_init(package):
    """A package whose modules can be imported, but whose own imports are left out: of its data sets."""
    spec = importlib.util.find_spec(package)
    module = types.ModuleType(package)
    module.__path__ = list(spec.submodule_search_locations)
    module.__version__ = importlib.metadata.version(package)
    sys.modules[package] = module
    return module


def write_fcns(folder, package, libraries, layers, thin, evaluate):
    """Writes the four nets of a package.

    `layers` is what its modules call the module of layers, and `thin` takes its place. `evaluate` saves a net
    and returns its scores.
    """
    image = image_of(61, 83)
    normalized = (image[..., ::-1] - np.array(BGR_MEAN)).astype(np.float32)
    scores = {}
    for file, names in (("fcn32s", ["FCN32s"]), ("fcn16s", ["FCN16s"]), ("fcn8s", ["FCN8s", "FCN8sAtOnce"])):
        module = importlib.import_module(f"{package.__name__}.models.{file}")
        setattr(module, layers, thin)
        for name in names:
            net = getattr(module, name)()
            scores[name] = evaluate(
                net, np.ascontiguousarray(normalized.transpose(0, 3, 1, 2)), folder / name
            )
    write_expected(folder, image, [*libraries, package], **scores)


def write_torchfcn(folder):
    import torch
    from torch import nn

    torchvision()
    sys.modules["fcn"] = types.ModuleType("fcn")  # it downloads

    class Conv2d(nn.Conv2d):
        def __init__(self, inputs, outputs, *rest, **options):
            super().__init__(channels_of(inputs), channels_of(outputs), *rest, **options)

    def evaluate(net, image, path):
        randomize(net)
        torch.save(net.state_dict(), path.with_suffix(".pth"))
        with torch.no_grad():
            return net(torch.from_numpy(image)).numpy()

    thin = types.SimpleNamespace(**{**vars(nn), "Conv2d": Conv2d})
    write_fcns(folder, without_init("torchfcn"), [torch], "nn", thin, evaluate)


def write_chainer(folder):
    # NumPy 2 no longer has this table, which Chainer reads when it is imported.
    np.sctypes = {"float": [np.float16, np.float32, np.float64], "int": [], "uint": [], "complex": []}
    warnings.simplefilter("ignore")
    import chainer
    import chainer.links

    sys.modules["gdown"] = types.ModuleType("gdown")  # it downloads

    class Convolution2D(chainer.links.Convolution2D):
        def __init__(self, inputs, outputs, *rest, **options):
            super().__init__(channels_of(inputs), channels_of(outputs), *rest, **options)

    def evaluate(net, image, path):
        rng = np.random.default_rng(0)
        for _, parameter in sorted(net.namedparams()):
            bound = np.sqrt(6 / np.prod(parameter.shape[1:])) if parameter.ndim > 1 else 0.1
            parameter.array[...] = rng.uniform(-bound, bound, parameter.shape)
        chainer.serializers.save_npz(path.with_suffix(".npz"), net)
        with chainer.using_config("train", False), chainer.no_backprop_mode():
            net(image)
        return net.score.array

    thin = types.SimpleNamespace(Convolution2D=Convolution2D, Deconvolution2D=chainer.links.Deconvolution2D)
    write_fcns(folder, without_init("fcn"), [chainer], "L", thin, evaluate)


if __name__ == "__main__":
    globals()[f"write_{sys.argv[1]}"](Path(sys.argv[2]))
