"""The splits on which papers train and score nets, in the folder of Pascal VOC 2012.

SBD labels about as many more of VOC's images as VOC does, and splits them in its own way: many of VOC's
validation images are in SBD's training split. Which of these to leave out is what the splits are about.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from fcn.classes import VOC_CLASS_NAMES, Classes
from fcn.data.image_io import check_label, write_label
from fcn.data.sbd import LABELS as SBD_MATLAB
from fcn.data.sbd import find_sbd, read_sbd_label
from fcn.data.split_list import SPLITS, read_lines
from fcn.data.voc import read_names
from fcn.errors import DataError
from fcn.system.files import write_text
from fcn.system.parallel import map_on_all_cores
from fcn.system.places import output_below, path_below
from fcn.system.progress import track

SBD_LABELS = "SegmentationClassSBD"
"""The folder for SBD's labels; those of VOC itself stay where they are."""

EXPECTED_COUNTS = {"train": 1464, "val": 1449, "train_aug": 10582, "sbd_train": 8498, "seg11valid": 736}
"""Images in each split.

Sources: train, val: VOC 2012's own documentation; sbd_train: Hariharan et al. (ICCV 2011); train_aug:
Chen et al., "DeepLab" (PAMI 2018), section 4; seg11valid: Shelhamer et al. (PAMI 2017), section 5.
"""


def build_splits(
    root: Path, sbd: Path, voc2011: Path | None = None, counts: Mapping[str, int] = EXPECTED_COUNTS
) -> dict[str, int]:
    """Writes further splits, and SBD's labels as palette PNGs, into the folder of VOC 2012.

    - train_aug: VOC's train and all of SBD but VOC's val; VOC's own label where there is one.
    - sbd_train: SBD's train, with SBD's label for every image, as the FCN paper trains. Many of its images
      are in VOC's val, so it goes with seg11valid.
    - seg11valid: VOC 2011's val but SBD's train, with VOC 2012's labels.

    Lists are written last, when all of them are as long as they should be.

    Args:
        root: The folder of VOC 2012, which holds `JPEGImages`.
        sbd: The folder of SBD.
        voc2011: The folder of VOC 2011; without it there is no seg11valid.
        counts: How long each split must be.

    Returns:
        How many images each split has, VOC's own train and val included.

    Raises:
        DataError: If a list or label is missing or damaged, a split has another length, or a list of its
            name exists with other content.
        OutputError: If the place cannot be written to or the disk is full.
    """
    sbd = find_sbd(sbd)
    train, val = read_names(root, "train"), read_names(root, "val")
    sbd_train, sbd_val = read_lines(sbd / "train.txt"), read_lines(sbd / "val.txt")
    from_sbd = {*sbd_train, *sbd_val} - {*train, *val}
    splits = {"train_aug": sorted({*train, *from_sbd} - {*val}), "sbd_train": sorted({*sbd_train})}
    if voc2011 is not None:
        splits["seg11valid"] = sorted({*read_names(voc2011, "val")} - {*sbd_train})
    found = {"train": len({*train}), "val": len({*val})} | {
        split: len(names) for split, names in splits.items()
    }
    for split, count in found.items():
        if count != counts[split]:
            raise DataError(
                f"{root / SPLITS / split}.txt: expected {counts[split]} images in {split}. "
                f"Received: {count}. A list is not as it was published; unpack the archives again."
            )
    labeled_by_sbd = {"train_aug": from_sbd, "sbd_train": {*sbd_train}, "seg11valid": set[str]()}
    texts = {
        root / SPLITS / f"{split}.txt": _list_text(names, labeled_by_sbd[split])
        for split, names in splits.items()
    }
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text.encode():
            raise DataError(
                f"{path}: exists already, with other content. Move it elsewhere, then run the same "
                "command again."
            )
    _write_labels(sbd, root / SBD_LABELS, sorted({*from_sbd, *sbd_train}))
    for path, text in texts.items():
        write_text(path, text)
    return found


def _list_text(names: list[str], labeled_by_sbd: Collection[str]) -> str:
    return "".join(f"{name}\t{SBD_LABELS}\n" if name in labeled_by_sbd else f"{name}\n" for name in names)


def _write_labels(sbd: Path, folder: Path, names: list[str]) -> None:
    classes = Classes.named(VOC_CLASS_NAMES)

    def convert(name: str) -> None:
        source = path_below(sbd / SBD_MATLAB, f"{name}.mat", str(sbd))
        label = read_sbd_label(source)
        check_label(label, len(VOC_CLASS_NAMES), source)
        write_label(output_below(folder, f"{name}.png", str(sbd)), label, classes)

    for _ in track(map_on_all_cores(convert, names), "writing SBD's labels", total=len(names)):
        pass
