import re
from collections import Counter
from urllib.parse import urlsplit

import pytest

from fcn.weights.catalog import NETS

LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64}


@pytest.mark.parametrize("name", NETS)
def test_each_entry_is_whole(name: str) -> None:
    net = NETS[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", net.file.name)
    assert net.title
    assert net.license.name
    assert net.license.commercial_use
    assert net.file.urls
    for url in (*net.file.urls, net.license.url):
        assert urlsplit(url).scheme in ("http", "https")
        assert urlsplit(url).hostname
    if net.file.checksum is not None:
        digits = net.file.checksum.digits
        assert re.fullmatch(r"[0-9a-f]+", digits)
        assert len(digits) == LENGTHS[net.file.checksum.kind]
        assert net.file.checksum.source
    assert 50e6 < net.size < 600e6
    assert net.is_classifier == name.startswith("vgg16-")
    assert "MB" in net.size_text


def test_no_two_nets_share_a_file() -> None:
    for files in (
        [net.file.name for net in NETS.values()],
        [url for net in NETS.values() for url in net.file.urls],
    ):
        assert max(Counter(files).values()) == 1


def test_both_files_of_keras_have_the_mirror() -> None:
    for name in ("vgg16-keras", "vgg16-keras-notop"):
        hosts = [urlsplit(url).hostname for url in NETS[name].file.urls]
        assert hosts == ["storage.googleapis.com", "github.com"]
