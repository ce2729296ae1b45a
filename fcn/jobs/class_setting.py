"""The names of all classes of a job: its records name only those that occur, and label PNGs none."""

import json
from collections.abc import Sequence

from fcn.jobs.settings import Setting
from fcn.jobs.store import JobStore
from fcn.system.json_files import parse_json

_SETTING = "classes"


def keep_classes(store: JobStore, names: Sequence[str]) -> None:
    """Stores the names of the classes, where a job has none.

    Args:
        store: Its store.
        names: By class id.
    """
    if _SETTING not in store.settings():
        with store.transaction():
            kept = Setting(json.dumps([*names]), f"{len(names)} classes")
            store.keep_settings({_SETTING: json.dumps(kept)})


def read_classes(store: JobStore) -> tuple[str, ...]:
    """Returns the names of the classes by id; none of a job that an older version has labeled."""
    kept = store.settings().get(_SETTING)
    if kept is None:
        return ()
    try:
        return tuple(map(str, parse_json(json.loads(kept)[0])))
    except (ValueError, TypeError):  # it was edited
        return ()
