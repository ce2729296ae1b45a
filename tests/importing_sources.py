"""Sources of labels that tests build, and what an import makes of them."""

from pathlib import Path

import numpy as np
from PIL import Image

from fcn.labels.importing.importer import ImportOptions, Plan, plan_import, write_import

SIZE = (6, 8)


def write_image(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(path)
    return path


def write_ids(path: Path, ids: np.ndarray, palette: np.ndarray | None = None, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids)
    if palette is not None:
        image.putpalette(palette.astype(np.uint8).tobytes())
    image.save(path, **options)
    return path


def write_colors(path: Path, ids: np.ndarray, colors: np.ndarray) -> Path:
    return write_ids(path, np.asarray(colors, np.uint8)[ids])


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def plan_of(folder: Path, form: str | None = None, **options: object) -> Plan:
    return plan_import([folder], ImportOptions(form, **options))


def import_labels(
    folder: Path, form: str | None = None, **options: object
) -> tuple[Plan, dict[str, np.ndarray]]:
    """What an import plans, and the labels that it writes."""
    plan = plan_of(folder, form, **options)
    root = folder.parent / f"{folder.name} imported"
    write_import(plan, root)
    return plan, {path.stem: np.array(Image.open(path)) for path in (root / "SegmentationClass").iterdir()}
