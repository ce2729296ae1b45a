"""Unpacks large training images into the run folder before the first step."""

import time
from collections.abc import Sequence

from fcn.config.file import Config
from fcn.data.unpacked import LargeExample, UnpackedExamples, choose_fitting, find_large, unpack
from fcn.errors import OutputError
from fcn.runs.folder import RunFolder
from fcn.system.files import remove
from fcn.system.remedies import other_run
from fcn.system.text import counted, print_notice
from fcn.training import devices
from fcn.training.checked_data import CheckedData

_SLOW = "decoded as a whole for each crop, which is slow."


def open_unpacked(run: RunFolder, config: Config, data: CheckedData) -> UnpackedExamples:
    """Returns the large training images that need not be decoded; the first process unpacks them.

    What cannot be written is left out, and said.

    Args:
        run: The folder of the run.
        config: How to learn.
        data: Its data.

    Raises:
        DataError: If an image can no longer be read, or was changed since it was checked.
    """
    megapixels = config.data.unpack_megapixels
    if megapixels is None or config.augmentation.crop_size is None:  # or all of an image is needed anyway
        return UnpackedExamples(run.unpacked, ())
    large = find_large(data.train_examples, data.train_digests, data.train_sizes, megapixels)
    if not (large and devices.is_main_process()):
        return UnpackedExamples(run.unpacked, large)
    started = time.monotonic()
    try:
        fitting = choose_fitting(large, run.unpacked)
        unpack(fitting, run.unpacked, len(data.classes.names))
    except OutputError as error:
        remove(run.unpacked)
        print_notice(f"Warning: {error} Until then, large images are {_SLOW}")
        return UnpackedExamples(run.unpacked, ())
    print_notice(*describe_unpacked(run, megapixels, large, fitting, time.monotonic() - started))
    return UnpackedExamples(run.unpacked, fitting)


def describe_unpacked(
    run: RunFolder,
    megapixels: float,
    large: Sequence[LargeExample],
    fitting: Sequence[LargeExample],
    seconds: float,
) -> list[str]:
    """Returns lines about what was unpacked, and what was not for want of space.

    Args:
        run: The folder of the run.
        megapixels: What makes an image large.
        large: All large images.
        fitting: Those that were unpacked.
        seconds: How long it took.
    """
    above = f"of more than {megapixels:g} megapixels"
    size, needed = (sum(one.num_bytes for one in some) / 1e9 for some in (fitting, large))
    lines = [
        f"Unpacked {counted(len(fitting), 'image')} {above} in {seconds:,.0f} seconds, so that a crop need "
        f"not decode the whole image: {size:,.1f} GB in {run.unpacked}, until the training is finished."
    ]
    left = len(large) - len(fitting)
    if left:
        lines.append(
            f"Warning: {counted(left, 'image')} {above} {'is' if left == 1 else 'are'} {_SLOW} All of them "
            f"unpacked need {needed:,.1f} GB, and at most half of the free space is used. Free space, or "
            f"choose another disk for the run: {other_run()}."
        )
    return lines if fitting else lines[1:]
