"""Labeling files and whole folders of images."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fcn.inference.predictor import Predictor
from fcn.jobs.job import LabelingResult as LabelingResult
from fcn.jobs.job import Setting, model_setting, open_job
from fcn.jobs.restart import forget_job as forget_job
from fcn.jobs.sources.inputs import Input
from fcn.outputs.render import check_outputs


def label_images(
    predictor: Predictor,
    inputs: Sequence[Input],
    output: Path,
    outputs: Sequence[str] = ("palette",),
    batch_size: int | None = None,
) -> LabelingResult:
    """Labels images, and writes palette PNGs of the images' own, stored sizes, or what else is wanted.

    The label of an image is `output/FOLDER/STEM.png`, with FOLDER relative to the input folder the image was
    found in; images that would get the same name all get `NAME.EXT.png`. An image that cannot be read is
    recorded, and the job goes on. A video becomes `output/FOLDER/STEM.overlay.mp4`, whatever `outputs` are.

    How far it is stands in a store in `output`: called again, after it was stopped or killed too, it goes
    on, and labels what is new or was changed since, but nothing twice. Several processes may do so at once on
    one machine. An `output` that holds the job of another net is refused; `forget_job` frees it.

    Args:
        predictor: The net to label with.
        inputs: Files, and folders that are searched for images and videos in all depths; hidden files
            and folders inside them are passed over, and so is `output`. URLs as `str`; lists of all these.
        output: The folder to write to; made if it is missing.
        outputs: What to write, some of `fcn.outputs.render.OUTPUTS`: "palette" or "ids", "overlay"
            (`STEM.overlay.jpg`, a picture for people), "probabilities" (`STEM.npz`), "rle" or "polygons"
            (`coco.json`), "areas" (`areas.csv`).
        batch_size: Images that are labeled at once, at most; None for what suits the machine.

    Raises:
        DataError: If an input is missing, unreadable or inside `output`; if there are no images; if two
            images have the same name and the same place below their inputs.
        OutputError: If `output` cannot be written to, the disk is full, or it holds another job. What was
            written before stays.
        ValueError: If `outputs` cannot be.
    """
    model = model_setting(predictor.path) if predictor.path else _memory_setting(predictor)
    settings: dict[str, Setting | str] = {"model": model, "views": predictor.views.describe()}
    with open_job(output, inputs, settings, check_outputs(outputs), batch_size) as job:
        return job.run(predictor.engine)


def _memory_setting(predictor: Predictor) -> Setting:
    """Returns what tells a net that came from no file from any other: its weights."""
    digest = hashlib.sha256()
    for weight in predictor.net.get_weights() if predictor.net is not None else ():
        digest.update(np.ascontiguousarray(weight).data)
    return Setting(digest.hexdigest(), "a net in memory")
