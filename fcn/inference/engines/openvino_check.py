"""Checks the layers of an OpenVINO model before OpenVINO reads it."""

import re
from pathlib import Path
from xml.parsers import expat

from fcn.errors import RunError
from fcn.system.trust import read_bounded, untrusted

MOST_XML_BYTES = 32 << 20
"""The largest description that is read. Those of this package take less than 1 MB: weights are apart."""

_VERSION = re.compile(r"opset(1[0-5]|[1-9])")


def check_openvino(path: Path) -> None:
    """Refuses an OpenVINO model with layers of extensions, or with XML that no tool of OpenVINO writes.

    Args:
        path: The `.xml` file.

    Raises:
        RunError: If it cannot be read, or is larger than `MOST_XML_BYTES`.
        TrustError: If it has a layer of an extension, or declares entities.
    """

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "layer" and not _VERSION.fullmatch(attributes.get("version", "")):
            version, kind = attributes.get("version"), attributes.get("type")
            raise untrusted(path, f"a layer of {version!a}, not of OpenVINO's own sets:", kind)

    def declare(name: str, *_: object) -> None:
        raise untrusted(path, "XML with a document type:", name)

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = declare
    try:
        # As text, so that it is UTF-8 whatever the file declares, and for OpenVINO too, without NUL.
        text = read_bounded(path, MOST_XML_BYTES).decode()
        if "\0" in text:
            raise ValueError("it has NUL characters")
        parser.Parse(text, True)
    except (OSError, ValueError, expat.ExpatError) as error:
        raise RunError(f"{path}: cannot be read by OpenVINO ({error}). Export the model again.") from error
