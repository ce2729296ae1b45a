"""What to do when the file of a published net cannot be downloaded."""

from pathlib import Path

from fcn.weights.catalog import PublishedNet

MIRROR = "FCN_WEIGHTS_MIRROR"
"""Environment variable that names a server or folder to take files from in place of the publishers."""


def advise_download(name: str, net: PublishedNet, path: Path) -> str:
    """Returns what to do when a net cannot be downloaded.

    Args:
        name: Name of the net.
        net: The net.
        path: Where its file belongs.
    """
    return (
        f"Without a network, put {describe_file(net)} at {path}, or name a mirror that has it: --mirror "
        f"URL_OR_FOLDER of fcn weights get, or {MIRROR}."
    )


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
