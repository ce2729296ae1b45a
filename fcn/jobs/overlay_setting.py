"""The style of the overlays of a job: all are drawn alike."""

import json

from fcn.jobs.added_outputs import written_outputs
from fcn.jobs.integrity import damaged
from fcn.jobs.settings import Setting, check_settings
from fcn.jobs.store import JobStore
from fcn.jobs.video_settings import has_videos
from fcn.outputs.overlay_style import DEFAULT_STYLE, EARLIER_STYLE, OverlayStyle, read_style_json

_NAME = "overlays"


def settle_style(store: JobStore, wanted: OverlayStyle | None) -> None:
    """Stores the style of a job, or compares it with the stored one. Call it in a transaction.

    A job that an earlier version started goes on in the style of that version. While a job writes no overlays
    of images and has no videos, its style may change.

    Args:
        store: The store of the job, before the settings of this call are in it.
        wanted: The style that the user has chosen; None for that of the job, or for a new one the default.

    Raises:
        OutputError: If the job has overlays of another style.
    """
    known = store.settings()
    drawn = "overlay" in written_outputs(store) or has_videos(store)
    before = read_style(store) if drawn or _NAME in known else DEFAULT_STYLE
    chosen = before if wanted is None or wanted.looks_like(before) else wanted
    if not drawn or _NAME not in known:
        kept = before if drawn else chosen
        store.keep_settings({_NAME: json.dumps([kept.to_json(), kept.describe()])})
    check_settings(store, {_NAME: Setting(chosen.to_json(), chosen.describe())})


def read_style(store: JobStore) -> OverlayStyle:
    """Returns the style of a job.

    Raises:
        OutputError: If the store is damaged.
    """
    text = store.settings().get(_NAME)
    if text is None:
        return EARLIER_STYLE
    try:
        return read_style_json(json.loads(text)[0])
    except ValueError as error:
        raise damaged(store.path, f"wrong value of the setting {_NAME!r}") from error
