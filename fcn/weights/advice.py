"""What to do when the file of a published net cannot be downloaded."""

from pathlib import Path

from fcn.system.remedies import as_started
from fcn.weights.catalog import NETS, PublishedNet

MIRROR = "FCN_WEIGHTS_MIRROR"
"""Environment variable that names a server or folder to take files from in place of the publishers."""

# Endings of the names of conversions, and classifiers whose files hold the same weights.
_CONVERSIONS = ("-torch", "-chainer")
_SAME = (("vgg16-keras", "vgg16-caffe"), ("vgg16-torchvision", "vgg16-timm"))


def advise_download(name: str, net: PublishedNet, path: Path) -> str:
    """Returns what to do when a net cannot be downloaded.

    Args:
        name: Name of the net.
        net: The net.
        path: Where its file belongs.
    """
    advice = (
        f"Without a network, put {describe_file(net)} at {path}, or name a mirror that has it: --mirror "
        f"URL_OR_FOLDER of {as_started('python -m fcn weights get')}, or {MIRROR}."
    )
    others = other_sources(name)
    return f"{advice} The same net from elsewhere: {', '.join(others)}." if others else advice


def other_sources(name: str) -> tuple[str, ...]:
    """Returns the names of published nets with the same weights, from other publishers.

    Example:
        >>> other_sources("fcn8s-voc-torch"), other_sources("fcn8s-siftflow")
        (('fcn8s-voc', 'fcn8s-voc-chainer'), ())
    """
    same = next((names for names in _SAME if name in names), ())
    return tuple(one for one in NETS if one != name and (one in same or _original(one) == _original(name)))


def _original(name: str) -> str:
    """Returns the name of the net that another one was converted from; that of any other net itself."""
    for ending in _CONVERSIONS:
        name = name.removesuffix(ending)
    return name


def describe_file(net: PublishedNet) -> str:
    """Returns the name, size and checksum of the file of a net, for people.

    Example:
        >>> from fcn.weights.catalog import NETS
        >>> describe_file(NETS["fcn8s-voc"])
        'fcn8s-heavy-pascal.caffemodel (about 538 MB, MD5 c03b2953ebd846c270da1a8e8f200c09)'
    """
    size = f"{net.file.size:,} bytes" if net.file.size else net.size_text
    checksum = net.file.checksum.title if net.file.checksum else "no public checksum"
    return f"{net.file.name} ({size}, {checksum})"
