from pathlib import Path

import pytest

from fcn.weights.advice import advise_download, other_sources
from fcn.weights.catalog import NETS


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("fcn8s-voc", ("fcn8s-voc-torch", "fcn8s-voc-chainer")),
        ("fcn8s-at-once-voc-chainer", ("fcn8s-at-once-voc", "fcn8s-at-once-voc-torch")),
        ("vgg16-caffe", ("vgg16-keras",)),
        ("vgg16-timm", ("vgg16-torchvision",)),
        ("vgg16-keras-notop", ()),
        ("fcn8s-context", ()),
        ("a-net-of-a-test", ()),
    ],
)
def test_the_same_net_from_elsewhere_is_named(name: str, others: tuple[str, ...]) -> None:
    assert other_sources(name) == others
    advice = advise_download(name, NETS["fcn8s-voc"], Path("weights/file"))
    assert ("The same net from elsewhere: " + ", ".join(others) in advice) == bool(others)


def test_nets_with_the_same_weights_have_the_same_score() -> None:
    for name, net in NETS.items():
        for other in other_sources(name):
            assert (NETS[other].num_classes, NETS[other].score) == (net.num_classes, net.score)
            assert NETS[other].file.urls != net.file.urls
