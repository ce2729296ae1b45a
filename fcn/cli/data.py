"""What each command that makes data sets does; see `fcn.cli.commands`."""

import argparse

from fcn.system.files import as_json


def generate_command(options: argparse.Namespace) -> None:
    """Draws a data set."""
    from fcn.data.generated.dataset import generate_dataset

    generate_dataset(options.root, options.train, options.val, options.seed)
    if options.json:
        print(as_json({"root": str(options.root), "train": options.train, "val": options.val}))
        return
    print(
        f"Wrote {options.root}/: {options.train} training and {options.val} validation images with labels, "
        "in VOC layout."
    )


def download_command(options: argparse.Namespace) -> None:
    """Fetches a published data set."""
    from fcn.data.download.catalog import DATASETS
    from fcn.data.download.published import fetch_dataset

    dataset = DATASETS[options.dataset]
    root = options.output / dataset.folder
    archive = fetch_dataset(dataset, options.output, options.file)
    if options.json:
        print(as_json({"root": str(root), "archive": archive and str(archive)}))
        return
    if archive is None:
        print(f"{root}/ is there already; nothing was changed. To get it anew, delete it first.")
        return
    print(f"Wrote {root}/: {dataset.title}. {archive} is no longer needed.")


def splits_command(options: argparse.Namespace) -> None:
    """Writes further splits into VOC's folder."""
    from fcn.data.splits import SBD_LABELS, build_splits
    from fcn.data.voc import SPLITS

    counts = build_splits(options.root, options.sbd, options.voc2011)
    if options.json:
        print(as_json({"root": str(options.root), "splits": counts}))
        return
    listed = ", ".join(f"{split} ({count})" for split, count in counts.items())
    print(
        f"Wrote {options.root / SPLITS}/ and {options.root / SBD_LABELS}/. Images in each split: {listed}.\n"
        f"Next: python train.py CONFIG --set data.root={options.root} --set data.train_split=train_aug"
    )
