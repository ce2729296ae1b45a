"""The whole workflow in a few minutes: generate data, train, score, label, export, check.

Run it with `make quickstart`. It also shows how to use the package from a program. `--short` does
the same with few images and steps, to see whether everything works here; its scores say nothing.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import fcn
from fcn.cli.tables import print_scores
from fcn.config.file import load_config
from fcn.data.generated.dataset import generate_dataset
from fcn.data.image_io import read_label
from fcn.errors import FcnError
from fcn.system.backend import start_backend
from fcn.system.files import write_json
from fcn.system.shell import quoted

HERE = Path(__file__).parent
RUN = Path("runs/quickstart")
DATA = Path("runs/quickstart-data")
MIN_MEAN_IOU = 0.75
MIN_MEAN_IOU_OTHER_SEED = 0.70
MIN_AGREEMENT = 0.9999


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Prints the current step and the time it took."""
    print(f"{what} ...", flush=True)
    began = time.monotonic()
    yield
    print(f"  {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    """Runs the whole workflow; exits with an error if a result is below its minimum."""
    parser = argparse.ArgumentParser(description="Generates data, trains, scores, labels, exports.")
    parser.add_argument("--short", action="store_true", help="few images and steps: scores say nothing")
    short = parser.parse_args().short
    num_train, num_val = (16, 6) if short else (1500, 100)
    few_steps = ("train.steps=6", "train.evaluate_steps=3", "train.warmup_steps=2") if short else ()

    began = time.monotonic()
    start_backend()
    # These import TensorFlow, which starts without its notices after `start_backend`.
    from fcn.evaluation.evaluation import scores_document
    from fcn.jobs.label_images import label_images

    for folder in (RUN, DATA):
        shutil.rmtree(folder, ignore_errors=True)
    with timed("Generating images of textured objects, and others with another seed"):
        generate_dataset(DATA / "seen", num_train=num_train, num_val=num_val, seed=1)
        generate_dataset(DATA / "unseen", num_train=1, num_val=num_val, seed=2)

    with timed("Training a thin FCN-8s"):
        config = load_config(HERE.parent / "configs" / "quickstart.yaml", few_steps)
        result = fcn.train(config, RUN)

    with timed("Scoring it on the data of the other seed"):
        predictor = fcn.Predictor(RUN)
        unseen = fcn.evaluate(predictor, DATA / "unseen")
        document = scores_document(unseen, predictor.classes.names, DATA / "unseen", "val")
        write_json(RUN / "scores_other_seed.json", document)

    images = RUN / "images"
    with timed("Labeling a folder of images"):
        images.mkdir()
        for example in result.evaluation.images:
            shutil.copy(example.example.image_path, images)
        label_images(predictor, [images], RUN / "labels", outputs=("palette", "overlay"))

    with timed("Exporting, and labeling the folder again in a process with only TensorFlow"):
        version = fcn.export(RUN, RUN / "export")
        served = RUN / "served"
        done = subprocess.run(
            [sys.executable, "-I", HERE / "label_with_tensorflow.py", version, images, served],
            stderr=subprocess.PIPE,  # TensorFlow's start-up notices, unless it fails
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            sys.exit(f"Error: the exported model could not be used.\n{done.stderr}")
        agreement = mean_agreement(RUN / "labels", served)

    print()
    print_scores(result.evaluation, result.classes.names, "quickstart on val")
    score, other = result.evaluation.scores.mean_iou, unseen.scores.mean_iou
    print(f"Mean IoU on a data set with another seed: {100 * other:.2f}%")
    print(f"The exported model agrees on {100 * agreement:.4f}% of the pixels.")
    program, here = Path(sys.executable), Path.cwd()
    python = quoted(program.relative_to(here) if program.is_relative_to(here) else program)
    print(
        f"\nWrote {RUN}/: report.html (open it in a browser), scores.json, labels/, export/1/, checkpoints/\n"
        f"Total: {(time.monotonic() - began) / 60:.1f} minutes. Try next:\n"
        f"  {python} -m fcn infer {RUN} {DATA}/unseen/JPEGImages --output {RUN}/unseen --overlay\n"
        f"  {python} -m fcn evaluate {RUN} --data {DATA}/unseen --boundary --output {RUN}/unseen.json\n"
        f"  {python} -m fcn train --resume {RUN} --set train.steps={2 * config.train.steps}"
    )
    learned = short or (score >= MIN_MEAN_IOU and other >= MIN_MEAN_IOU_OTHER_SEED)
    if not learned or agreement < MIN_AGREEMENT:
        sys.exit(
            f"Error: expected a mean IoU of {100 * MIN_MEAN_IOU:.0f}% on val, "
            f"{100 * MIN_MEAN_IOU_OTHER_SEED:.0f}% on the other seed, and "
            f"{100 * MIN_AGREEMENT:.2f}% agreement. Please report this with {RUN}/environment.json."
        )


def mean_agreement(labels: Path, served: Path) -> float:
    """Returns the share of pixels on which two folders of labels agree."""
    equal = total = 0
    for path in sorted(served.glob("*.png")):
        first, second = read_label(labels / path.name), read_label(path)
        equal += int(np.count_nonzero(first == second))
        total += first.size
    return equal / total


if __name__ == "__main__":
    try:
        main()
    except FcnError as error:
        sys.exit(f"Error: {error}")
