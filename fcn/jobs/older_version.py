"""What a job keeps of the version that started it, until it is restarted."""

from collections.abc import Collection

from fcn.jobs.reading import PixelOrder
from fcn.jobs.store import JobStore
from fcn.jobs.video_settings import read_video_settings
from fcn.outputs.annotation_options import AnnotationOptions
from fcn.outputs.frames import FRAME_KINDS


def describe_older_job(
    store: JobStore, kinds: Collection[str], order: PixelOrder, annotations: AnnotationOptions
) -> list[str]:
    """Returns sentences for people about a job that is continued; none if a version like this started it.

    Args:
        store: The store of the job, planned.
        kinds: What it writes, some of `OUTPUTS`.
        order: Order of the pixels that are labeled.
        annotations: Options of annotations.
    """
    begin = f"{store.output}: was started by an older version, so"
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
    of_frames = [kind for kind in FRAME_KINDS if kind in kinds]
    if of_frames and not read_video_settings(store).by_frame and store.has("video"):
        lines.append(
            f"{begin} videos get overlays in MP4 files alone, and no {' or '.join(of_frames)} of their "
            "frames. Add --restart to label everything again, with labels of frames."
        )
    return lines
