"""What a job keeps of the version that started it, until it is restarted."""

from pathlib import Path

from fcn.jobs.reading import PixelOrder
from fcn.outputs.annotation_options import AnnotationOptions


def describe_older_job(output: Path, order: PixelOrder, annotations: AnnotationOptions) -> list[str]:
    """Returns sentences for people about a job that is continued; none if a version like this started it.

    Args:
        output: The folder of the job.
        order: Order of the pixels that are labeled.
        annotations: Options of annotations.
    """
    begin = f"{output}: was started by an older version, so"
    lines = []
    if order == "stored":
        lines.append(
            f"{begin} it continues in stored pixel order: EXIF orientation is not applied. Add --restart to "
            "label everything upright."
        )
    if annotations.as_before:
        lines.append(
            f"{begin} coco.json keeps its form: class ids from 0, whole paths, all regions. Add --restart to "
            "label everything again, in the form that other tools take."
        )
    return lines
