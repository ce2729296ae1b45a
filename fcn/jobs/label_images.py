"""Labels files and whole folders of images."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fcn.data.image_header import MOST_MEGAPIXELS
from fcn.inference.predictor import Predictor
from fcn.inference.video import VideoOptions
from fcn.jobs.job import LabelingResult as LabelingResult
from fcn.jobs.job import open_job
from fcn.jobs.kept_limits import keep_limits, with_megapixels
from fcn.jobs.rasters import check_raster_options
from fcn.jobs.restart import forget_job as forget_job
from fcn.jobs.settings import Setting, model_setting
from fcn.jobs.sources.inputs import Input
from fcn.jobs.sources.links import is_url
from fcn.jobs.video_settings import describe_options
from fcn.outputs.annotation_options import AnnotationOptions
from fcn.outputs.overlay_style import DEFAULT_STYLE
from fcn.outputs.render import check_outputs


def label_images(
    predictor: Predictor,
    inputs: Path | str | Sequence[Input],
    output: Path | str,
    outputs: Sequence[str] = ("palette",),
    batch_size: int | None = None,
    annotations: AnnotationOptions | None = None,
    videos: VideoOptions | None = None,
    max_megapixels: int | None = None,
) -> LabelingResult:
    """Labels images and writes palette PNGs at the images' own sizes, upright, or other outputs.

    The label of an image is `output/FOLDER/STEM.png`, with FOLDER relative to the input folder the image was
    found in; images that would get the same name all get `NAME.EXT.png`. An image that cannot be read is
    recorded, and the job continues. A video becomes `output/FOLDER/STEM.overlay.mp4`, or `.webm` without an
    ffmpeg program, for all `outputs`.

    Progress is stored in `output`. Call it again, also after a stop or a crash, and it continues: it labels
    images that are new or were changed, and nothing twice. Further `outputs` are added: files that are there
    stay as they are. Several processes on one machine may share a job.
    An `output` that holds the job of another net is refused; `forget_job` frees it.

    Args:
        predictor: The net to label with.
        inputs: Files; folders, which are searched at any depth for images and videos, without hidden files
            and folders and without `output`; URLs; lists of all these. One of them, or several.
        output: The folder to write to; made if it is missing.
        outputs: What to write, some of `fcn.outputs.render.OUTPUTS`: "palette" or "ids", "overlay"
            (`STEM.overlay.jpg`, a picture for people, drawn as `predictor.overlay_style` says), "uncertainty"
            (`STEM.uncertainty.png`), "probabilities" (`STEM.npz`), "rle" or "polygons" (`coco.json`),
            "areas" (`areas.csv`), "labelme" (`STEM.json`), "cvat" (`cvat.xml`); or, of TIFFs
            that are labeled in windows, "geotiff" (`STEM.tif`) and "geopackage" (`STEM.gpkg`), with "areas"
            alone beside them.
        batch_size: Most images that are labeled at once; None for a number that suits the machine.
        annotations: Ids of categories, the smallest region, simpler polygons; None for the options of the
            job, or at first the usual ones.
        videos: How videos are labeled; None for the options of the job, or at first every frame as it is.
        max_megapixels: The largest image, up to 1,000 megapixels; None for that of the job, or at first 268.
            It does not bound TIFFs that are labeled in windows.

    Raises:
        BackendError: If "geotiff" or "geopackage" needs a package that is missing, or the predictor averages
            over views.
        DataError: If an input is missing, unreadable or inside `output`; if there are no images; if two
            images would get the same output file.
        OutputError: If `output` cannot be written to, the disk is full, or it holds another job. Finished
            labels stay.
        ValueError: If `outputs` are unknown or exclude each other, or `max_megapixels` is not from 1 to 1000.
    """
    if max_megapixels is not None and not 1 <= max_megapixels <= MOST_MEGAPIXELS:
        raise ValueError(
            f"Expected `max_megapixels` from 1 to {MOST_MEGAPIXELS}. Received: {max_megapixels}."
        )
    model = _model_setting(predictor)
    settings: dict[str, Setting | str] = {"model": model, "views": predictor.views.describe()}
    settings |= {} if videos is None else describe_options(videos)
    style = None if predictor.overlay_style == DEFAULT_STYLE else predictor.overlay_style
    kinds = check_outputs(outputs)
    check_raster_options(kinds, predictor.views.are_plain, on_ray=False)
    with open_job(Path(output), _as_inputs(inputs), settings, kinds, batch_size, style, annotations) as job:
        job.limits = with_megapixels(job.limits, max_megapixels)
        keep_limits(job.store, megapixels=max_megapixels)
        return job.run(predictor)


def _as_inputs(inputs: Path | str | Sequence[Input]) -> list[Input]:
    """Returns the inputs of a job, where text that is not a URL is a path."""
    given = [inputs] if isinstance(inputs, Path | str) else inputs
    return [Path(one) if isinstance(one, str) and not is_url(one) else one for one in given]


def _model_setting(predictor: Predictor) -> Setting:
    """Returns what identifies a net: its files, or a hash of its weights if it was not read from any."""
    if predictor.path:
        return model_setting(predictor.path, predictor.engine.name)
    digest = hashlib.sha256()
    for weight in predictor.net.get_weights() if predictor.net is not None else ():
        digest.update(np.ascontiguousarray(weight).data)
    return Setting(digest.hexdigest(), "a net in memory")
