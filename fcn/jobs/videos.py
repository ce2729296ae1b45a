"""Labels the videos of a job."""

import os
from pathlib import Path

from fcn.errors import DataError, OutputError, RunError
from fcn.inference.predictor import Predictor
from fcn.inference.video import VIDEO_ENDING, label_video
from fcn.jobs.integrity import output_path
from fcn.jobs.task import Outcome, Task
from fcn.system.files import content_hash, name_is_too_long, unreadable


def label_claimed_video(predictor: Predictor, claimed: Task, output: Path, batch_size: int) -> Outcome:
    """Labels a video; an error is an outcome, not an exception, so that the job continues.

    A video that ends early has failed; its overlay video, up to there, is kept.

    Args:
        predictor: The net that labels.
        claimed: The video.
        output: The folder of the job.
        batch_size: Most frames that are labeled at once.

    Raises:
        OutputError: If the folder cannot be written to, the disk is full or the name leads out of it.
    """
    source, target = Path(claimed.place), output_path(output, f"{claimed.name}{VIDEO_ENDING}")
    outcome = Outcome(claimed.id)
    try:
        status = os.stat(source)
        outcome = outcome._replace(size=status.st_size, changed=status.st_mtime_ns)
        outcome = outcome._replace(hash=content_hash([source]))
        labeled = label_video(predictor, source, target, batch_size)
        files = {VIDEO_ENDING: target.stat().st_size}
    except OSError as error:
        return outcome._replace(error=unreadable(error))
    except (DataError, RunError) as error:
        return outcome._replace(error=str(error).removeprefix(f"{source}: "))
    except MemoryError:
        reason = (
            "there was not enough memory for its frames. Lower --batch-size or give the process more memory, "
        )
        return outcome._replace(error=f"{reason}then add --retry-failed.")
    except OutputError as error:
        if not name_is_too_long(error):
            raise
        reason = "cannot be labeled: the name of its output would be too long. Rename the video."
        return outcome._replace(error=reason)
    if labeled.truncated:
        reason = (
            f"ends early: {labeled.frames} of {labeled.announced} frames could be decoded; they are in "
            f"{target.name}. Replace the file or remove it."
        )
        return outcome._replace(error=reason, files=files)
    return outcome._replace(files=files)
