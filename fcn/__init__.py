"""Fully convolutional networks for semantic segmentation on Keras.

The names below are imported when they are first used, so `import fcn` is instant:

    model = fcn.build_model("fcn8s", num_classes=21)
    result = fcn.train("configs/voc_fcn8s.yaml", "runs/voc")
    label = fcn.Predictor("runs/voc").predict("image.jpg").label
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fcn.version import __version__ as __version__

if TYPE_CHECKING:
    from fcn.config.file import load_config as load_config
    from fcn.data.generated.dataset import generate_dataset as generate_dataset
    from fcn.evaluation.calibrate import calibrate as calibrate
    from fcn.evaluation.evaluate import evaluate as evaluate
    from fcn.exports.export import export as export
    from fcn.inference.predictor import Predictor as Predictor
    from fcn.jobs.label_images import label_images as label_images
    from fcn.labels.checking.check import check_dataset as check_dataset
    from fcn.labels.importing.imported import import_labels as import_labels
    from fcn.models.factory import build_model as build_model
    from fcn.models.surgery import convolutionalize as convolutionalize
    from fcn.runs.model_file import load_model as load_model
    from fcn.slimming.slim import slim as slim
    from fcn.suggestion.suggest import suggest as suggest
    from fcn.training.loop import train as train

_MODULES = {
    "Predictor": "fcn.inference.predictor",
    "build_model": "fcn.models.factory",
    "calibrate": "fcn.evaluation.calibrate",
    "check_dataset": "fcn.labels.checking.check",
    "convolutionalize": "fcn.models.surgery",
    "evaluate": "fcn.evaluation.evaluate",
    "export": "fcn.exports.export",
    "generate_dataset": "fcn.data.generated.dataset",
    "import_labels": "fcn.labels.importing.imported",
    "label_images": "fcn.jobs.label_images",
    "load_config": "fcn.config.file",
    "load_model": "fcn.runs.model_file",
    "slim": "fcn.slimming.slim",
    "suggest": "fcn.suggestion.suggest",
    "train": "fcn.training.loop",
}

_WITHOUT_BACKEND = ("check_dataset", "generate_dataset", "import_labels", "load_config")

__all__ = [
    "Predictor",
    "build_model",
    "calibrate",
    "check_dataset",
    "convolutionalize",
    "evaluate",
    "export",
    "generate_dataset",
    "import_labels",
    "label_images",
    "load_config",
    "load_model",
    "slim",
    "suggest",
    "train",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    if name in _MODULES:
        if name not in _WITHOUT_BACKEND:
            import_module("fcn.system.backend").prepare_backend()
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'fcn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
