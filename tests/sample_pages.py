"""Every page that opens offline, of one thin net and one small data set: for tests that look at pages."""

import json
from pathlib import Path

import numpy as np

from fcn.classes import Classes
from fcn.comparison.candidates import Candidate
from fcn.comparison.halving import Rung
from fcn.comparison.page import write_comparison_page
from fcn.comparison.plan import Plan
from fcn.comparison.result import Comparison, NetResult, NetSize
from fcn.comparison.timing import Timing
from fcn.config.file import as_config
from fcn.data.class_shares import ClassShares
from fcn.data.image_io import read_image
from fcn.data.voc import read_split
from fcn.evaluation.evaluate import evaluate_examples
from fcn.evaluation.evaluation import Evaluation
from fcn.inference.predictor import Predictor
from fcn.inspection.effective import measure_effective_field
from fcn.inspection.facts import inspect_model
from fcn.inspection.page import write_inspection_page
from fcn.labels.checking.check import check_dataset
from fcn.labels.checking.page import write_page as write_check_page
from fcn.models.fcn import FCN
from fcn.report import Progress, write_progress_report, write_report
from fcn.report.details import write_details
from fcn.report.pictures import label_picture
from fcn.report.preview import write_preview
from fcn.runs.log import COLUMNS
from fcn.runs.model_file import RunFolder
from fcn.suspects.page import write_page as write_suspects_page
from fcn.suspects.search import Request, asked_nets, prepare, rank_suspects

_MEBIBYTE = 2**20
_SIZE = (64, 80)


def write_pages(folder: Path, model: FCN, root: Path, most: int | None = None) -> dict[str, Path]:
    """Writes each page with all of its sections.

    Args:
        folder: Where to; does not exist yet.
        model: The net that is scored, compared and inspected.
        root: A data set with its classes.
        most: How many validation images to score; None for all.

    Returns:
        The pages, by what they are.
    """
    run, predictor = _run(folder / "a run", model, root), Predictor(model)
    examples = read_split(root, "val")[:most]
    evaluation = evaluate_examples(predictor, examples, boundary=True, calibration=True)
    classes = predictor.classes
    shares = _shares(classes)
    warnings = ("3 of the 4 images that were scored are among those that this net was trained on.",)
    write_report(run, predictor, evaluation, warnings=warnings, shares=shares)
    pages = {"report": run.report}
    running = RunFolder(folder / "unfinished")
    running.path.mkdir()
    running.log.write_bytes(run.log.read_bytes())
    write_progress_report(running, Progress(3, 10, 720.0))
    pages["unfinished"] = running.report
    write_details(folder / "details", predictor, evaluation, "a run on val")
    pages |= {name: folder / "details" / file for name, file in _DETAILS.items()}

    pages |= {
        name: folder / f"{name}.html" for name in ("comparison", "inspection", "check", "suspects", "preview")
    }
    comparison = _comparison(predictor, evaluation, root)
    write_comparison_page(pages["comparison"], comparison, "fcn compare one.yaml two.yaml --halving")
    image = read_image(examples[0].image_path)[: _SIZE[0], : _SIZE[1]]
    field = measure_effective_field(model, image.astype(np.float32))
    write_inspection_page(
        pages["inspection"], inspect_model(model, image.shape[:2]), field, image, "It was not trained."
    )
    write_check_page(pages["check"], check_dataset(root))
    task = prepare(Request(run.path, "val", limit=3))
    with asked_nets(task) as nets:
        write_suspects_page(pages["suspects"], rank_suspects(task, nets), nets, False)
    write_preview(pages["preview"], run.load_config(), "mine", 2)
    return pages


_DETAILS = {"worst": "worst.html", "reliability": "reliability.svg"}


def _run(path: Path, model: FCN, root: Path) -> RunFolder:
    """Writes a run that has ended after three steps."""
    run = RunFolder(path)
    (path / "checkpoints").mkdir(parents=True)
    model.save(path / "checkpoints" / "best.keras")
    config = {"data": {"root": root}, "augmentation": {"crop_size": _SIZE, "rotation": 20.0}}
    run.config.write_text(as_config(config).to_yaml())
    run.environment.write_text(json.dumps({"keras": "3.99.1"}))
    losses = (2.5, 1.5, 0.5)
    rows = (
        f"{step},{loss},0.1,9,{step},0.5,0.5,{0.1 * step},0.3,{loss}" for step, loss in enumerate(losses, 1)
    )
    run.log.write_text("\n".join((",".join(COLUMNS), *rows, "")))
    return run


def _shares(classes: Classes) -> ClassShares:
    count = len(classes.names)
    before = np.arange(1, count + 1) / sum(range(1, count + 1))
    return ClassShares(classes, before, np.full(count, 1 / count), 1000)


def _comparison(predictor: Predictor, evaluation: Evaluation, root: Path) -> Comparison:
    """Returns two nets with the same scores, of which one is slower, and one that failed."""
    examples = [image.example for image in evaluation.images]
    varied = [{"train.learning_rate": 0.1}, {"train.learning_rate": 0.01}]
    candidates = tuple(
        Candidate(name, Path("runs") / name, None, values)
        for name, values in zip(("fcn8s-0.1", "fcn8s-0.01"), varied, strict=True)
    )
    nets = tuple(
        NetResult(
            candidate,
            as_config({"data": {"root": root}}),
            NetSize("fcn8s", 1_500_000 * number, 0.125 * number, (404, 404)),
            evaluation,
            tuple(label_picture(predictor, example) for example in examples[:2]),
            "tensorflow float32",
            1200,
            90.0,
            Timing((0.020 * number,), 600 * _MEBIBYTE, 400 * _MEBIBYTE),
            Timing((0.5,), 900 * _MEBIBYTE, 400 * _MEBIBYTE),
        )
        for number, candidate in enumerate(candidates, start=1)
    )
    plan = Plan(
        candidates,
        root,
        "val",
        predictor.classes,
        examples,
        varied=("train.learning_rate",),
        rungs=(600, 1200),
    )
    first, second = (net.name for net in nets)
    rungs = (Rung(600, {first: 0.5, second: 0.25}, (first,)), Rung(1200, {first: 0.75}, (first,)))
    return Comparison(
        plan,
        _SIZE,
        nets,
        tuple(example.name for example in examples[:2]),
        ("The images are few.",),
        {"cpu": "a processor", "accelerators": []},
        rungs,
        {"fcn8s-10": "The loss became NaN."},
    )
