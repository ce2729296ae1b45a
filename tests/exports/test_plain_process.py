"""Tests of the process that labels with an exported model; of its labels: `test_verification.py`."""

import sys
from pathlib import Path

import numpy as np
import pytest

from fcn.data.image_io import encode_png
from fcn.errors import VerificationError
from fcn.exports.export import export
from fcn.exports.plain_process import plain_process
from fcn.models.fcn import FCN

IMAGE = np.zeros((5, 4, 3), np.uint8)


@pytest.mark.slow
def test_a_model_that_brings_this_package_along_is_refused(
    net: FCN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python imports sitecustomize where it begins, and here that imports a package of our name.
    for name, text in (("sitecustomize", "import fcn"), ("fcn", "")):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    version = export(net, tmp_path / "out")
    expected = pytest.raises(VerificationError, match=r"exit code 1.*imports the package")
    with expected as caught, plain_process(version) as label:
        label(IMAGE, encode_png(IMAGE))
    assert caught.value.exit_code == 1


def test_what_ends_too_early_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys; print('3 3'); print('x' * 9000 + ' no memory', file=sys.stderr)")
    monkeypatch.setattr("fcn.exports.plain_process._PROGRAM", program)
    with pytest.raises(VerificationError, match=r"no memory$") as caught, plain_process(tmp_path) as label:
        label(IMAGE, bytes(10_000_000))  # more than a pipe holds
    assert len(str(caught.value)) < 3000
    assert "fcn" in sys.modules
