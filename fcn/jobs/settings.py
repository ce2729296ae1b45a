"""The settings of a job, most of which must not change when it is resumed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fcn.errors import OutputError
from fcn.jobs.integrity import ADJUSTABLE_SETTINGS
from fcn.jobs.reading import PixelOrder
from fcn.jobs.store import JobStore
from fcn.runs.folder import exported_version, identifying_files, is_exported, model_file
from fcn.system.files import content_hash

ORDER = "pixel order"
"""Name of the setting of `read_pixel_order`."""


class Setting(NamedTuple):
    """A setting that must not change when a job is resumed.

    Attributes:
        value: What is compared.
        shown: What a message shows instead of the value.
    """

    value: str
    shown: str


Settings = Mapping[str, Setting | str]
"""The settings of a job by the name that messages use; a `str` is both value and what is shown."""


def model_setting(path: Path, engine: str = "auto") -> Setting:
    """Returns what identifies the model at a path: a hash of its files' content, not its name.

    For an exported model the largest files are not read where smaller files identify their content, since
    that would take seconds.

    Args:
        path: The model.
        engine: Name of the engine that labels.

    Raises:
        RunError: If there is no model.
    """
    files = identifying_files(exported_version(path), engine) if is_exported(path) else [model_file(path)]
    return Setting(content_hash(files), str(path))


def check_settings(store: JobStore, wanted: Settings) -> None:
    """Stores the settings of a job, or compares them with the stored ones. Call it in a transaction.

    Raises:
        OutputError: If they differ.
    """
    known = {
        name: Setting(*json.loads(text))
        for name, text in store.settings().items()
        if name not in ADJUSTABLE_SETTINGS
    }
    given = {
        name: setting if isinstance(setting, Setting) else Setting(setting, setting)
        for name, setting in wanted.items()
    }
    differences = []
    for name, setting in given.items():
        before = known.get(name, setting)
        if setting.value != before.value:
            other = " with other content" if setting.shown == before.shown else ""
            differences.append(f"{name}: {before.shown}, now {setting.shown}{other}")
    if differences:
        raise OutputError(
            f"{store.output}: holds the labels of a job with other settings "
            f"({'; '.join(differences)}). Choose another output folder, use the earlier settings, or add "
            "--restart to label everything again."
        )
    new = {name: json.dumps(setting) for name, setting in given.items() if name not in known}
    store.keep_settings(new)


def read_pixel_order(store: JobStore) -> PixelOrder:
    """Returns the order of the pixels in a job; those of older versions have no such setting."""
    known = store.settings()
    if not known:
        return "upright"
    return "upright" if ORDER in known and json.loads(known[ORDER])[0] == "upright" else "stored"
