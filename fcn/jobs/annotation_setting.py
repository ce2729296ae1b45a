"""The options of annotations as a setting of a job: all of its images have the same."""

import json
from collections.abc import Sequence

from fcn.errors import OutputError
from fcn.jobs.integrity import damaged
from fcn.jobs.settings import Setting, check_settings, read_pixel_order
from fcn.jobs.store import JobStore
from fcn.outputs.annotation_options import AS_BEFORE, DEFAULTS, AnnotationOptions
from fcn.outputs.render import ANNOTATED

_NAME = "regions"
_COCO = ("rle", "polygons")
_FOR_TOOLS = frozenset({"labelme", "cvat"})


def settle_options(
    store: JobStore, written: Sequence[str], kinds: Sequence[str], wanted: AnnotationOptions | None
) -> None:
    """Stores the options of a job, or compares them with the stored ones. Call it in a transaction.

    Args:
        store: Its store.
        written: What it wrote before, some of `OUTPUTS`.
        kinds: What it writes now.
        wanted: What the user wants; None for the options of the job, or for a new one the usual ones.

    Raises:
        OutputError: If the job has other options, or labels stored pixels, which labeling tools turn upright.
    """
    if (added := {*kinds} & _FOR_TOOLS - {*written}) and read_pixel_order(store) == "stored":
        raise OutputError(
            f"{store.output}: holds a job that an older version started. It does not apply EXIF orientation, "
            f"and labeling tools do. Leave out {' and '.join(sorted(added, reverse=True))}, choose another "
            "output folder, or add --restart to label everything again, upright."
        )
    if not set(ANNOTATED) & set(kinds):
        return
    known = store.settings()
    if _NAME not in known and set(_COCO) & set(written):
        if wanted is not None:
            raise OutputError(
                f"{store.output}: holds a job that an older version started, and its coco.json keeps its "
                f"form. Leave out {wanted.describe()}, or add --restart to label everything again."
            )
    elif wanted is not None or _NAME not in known:
        options = wanted or DEFAULTS
        check_settings(store, {_NAME: Setting(options.to_json(), options.describe())})


def read_options(store: JobStore) -> AnnotationOptions:
    """Returns the options of a job.

    Older versions had other ids, and no such setting: where they wrote annotations, a job keeps that form.

    Raises:
        OutputError: If the store is damaged.
    """
    known = store.settings()
    if _NAME not in known:
        written = json.loads(known["outputs"])[0].split(", ") if "outputs" in known else []
        return AS_BEFORE if set(_COCO) & set(written) else DEFAULTS
    try:
        return AnnotationOptions.from_json(json.loads(known[_NAME])[0])
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(store.path, f"wrong value of the setting {_NAME!r}") from error
