"""Tests of which addresses are public."""

from fcn.jobs.sources.addresses import is_public, private_host


def test_which_addresses_are_public() -> None:
    private = "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1"
    private += " 255.255.255.255 :: ::1 fe80::1 fe80::1%lo fd00::1 ::ffff:10.0.0.1"
    private += " 2002:7f00:1:: 2002:a9fe:a9fe::1 64:ff9b::10.0.0.1 64:ff9b:1::8.8.8.8 ::127.0.0.1 fec0::1"
    private += " ::ffff:0:127.0.0.1"
    for address in private.split():
        assert not is_public(address), address
    for address in ("8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"):
        assert is_public(address), address


def test_a_host_is_private_if_it_has_no_public_address() -> None:
    for url in (
        "http://localhost:80/a.png",
        "https://name:key@127.0.0.1/",
        "http://[::1]/",
        "http://10.0.0.1",
    ):
        assert private_host(url), url
    for url in (
        "http://8.8.8.8/",
        "http://no-such-host.invalid/",
        "http://[not/",
        "http://" + "a" * 300 + "/",
    ):
        assert private_host(url) is None, url
