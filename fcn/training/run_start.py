"""What a run folder holds before the first step of each session."""

from pathlib import Path
from typing import Any

from fcn.config.file import Config
from fcn.data.stream import TrainingStream
from fcn.runs.digests import DataRecord, write_record
from fcn.runs.folder import RunFolder
from fcn.runs.licenses import licenses_of_start, write_licenses
from fcn.system.files import write_durably, write_json
from fcn.system.json_files import read_json_file
from fcn.system.text import print_notice
from fcn.training.environment import describe_environment
from fcn.training.start import start_weights
from fcn.training.teacher import Teacher


def write_start(
    run: RunFolder, config: Config, stream: TrainingStream, record: DataRecord, teacher: Teacher | None
) -> None:
    """Writes digests of the data, the configuration and the environment; then the folder is a run.

    Args:
        run: The folder.
        config: How to learn.
        stream: The training examples.
        record: Digests of the data.
        teacher: The net to learn from; None without one, or where the training has ended.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    environment = describe_environment(config, stream)
    if "loss" in environment:
        print_notice(environment["loss"])
    write_record(run.digests, record)
    if not run.config.exists():  # of a run that goes on they are known
        licenses = licenses_of_start(start_weights(config.model))
        if teacher is not None:
            licenses += tuple(one for one in licenses_of_start(teacher.name) if one not in licenses)
        write_licenses(run.path, licenses)
    write_durably(run.config, config.to_yaml())
    if teacher is not None:
        environment["teacher"] = {"net": teacher.name, "digest": teacher.digest}
    elif config.train.teacher is not None and run.environment.exists():  # no step is left to learn from it
        environment |= {key: value for key, value in _read(run.environment).items() if key == "teacher"}
    write_json(run.environment, environment)


def _read(environment: Path) -> dict[str, Any]:
    """Returns the environment of the session before; empty if its file is damaged."""
    try:
        found = read_json_file(environment)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
