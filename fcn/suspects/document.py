"""What is suspicious, as a document for programs."""

from typing import Any

from fcn.suspects.search import Suspects


def suspects_document(suspects: Suspects) -> dict[str, Any]:
    """Returns everything that a search found, for `--json`; shares and probabilities are from 0 to 1."""
    root, names = suspects.root, suspects.classes.names

    def common(rank: int, one: Any) -> dict[str, Any]:
        return {
            "rank": rank,
            "image": one.example.image_path.relative_to(root).as_posix(),
            "label": one.example.label_path.relative_to(root).as_posix(),
            "fold": None if suspects.folds is None else one.net + 1,
        }

    return {
        "run": str(suspects.run),
        "data": str(root),
        "split": suspects.split,
        "folds": suspects.folds,
        "num_images": suspects.num_images,
        "num_void_images": suspects.num_void,
        "images": [
            common(rank, one) | {"quality": one.quality, "pixels": one.pixels}
            for rank, one in enumerate(suspects.images, start=1)
        ],
        "regions": [
            common(rank, one)
            | {
                "given": names[one.region.given],
                "predicted": names[one.region.predicted],
                "doubt": one.region.doubt,
                "pixels": one.region.pixels,
                "box": list(one.region.box),
                "given_probability": one.region.given_probability,
                "predicted_probability": one.region.predicted_probability,
            }
            for rank, one in enumerate(suspects.regions, start=1)
        ],
        "notes": list(suspects.notes),
    }
