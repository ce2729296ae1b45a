"""A survey as a document for programs."""

from collections import Counter
from typing import Any

from fcn.labels.checking.survey import Survey


def survey_document(survey: Survey) -> dict[str, Any]:
    """Returns everything that a survey found, with all files, for `--json`."""
    splits = survey.splits
    seen = [one for _, one in survey.seen()]
    return {
        "root": str(survey.root),
        "usable": not survey.refused(),
        "images": {splits.train: len(splits.train_examples), splits.val: len(splits.val_examples)},
        "classes": [one._asdict() | {"color": list(one.color)} for one in survey.counts],
        "sizes": [
            {"height": height, "width": width, "images": count} for (height, width), count in survey.sizes
        ],
        "forms": dict(Counter(one.form for one in seen).most_common()),
        "orientations": {
            str(value): count for value, count in sorted(Counter(one.orientation for one in seen).items())
        },
        "images_with_position": sum(one.has_position for one in seen),
        "refused": [_finding(one) for one in survey.refused()],
        "warnings": [_finding(one) for one in survey.warnings()],
    }


def _finding(finding: Any) -> dict[str, Any]:
    return {"kind": finding.kind, "text": finding.text, "files": list(finding.files)}
