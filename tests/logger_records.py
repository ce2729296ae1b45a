"""Prints as JSON what wandb, MLflow and Trackio have kept of a run: a program for the environment of peers.

Its arguments are the name of the library, where it keeps runs, and the id of the run.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOG_BLOCK = 32768
WHOLE, LAST = 1, 4


def leveldb_records(data: bytes, place: int = 7) -> Iterator[bytes]:
    """Yields the records of a file in the log format of LevelDB, which wandb's files have after 7 bytes."""
    record = b""
    while place + 7 <= len(data):
        left = LOG_BLOCK - place % LOG_BLOCK
        if left < 7:
            place += left
            continue
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        record += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (WHOLE, LAST):
            yield record
            record = b""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wandb_run(folder: Path, run_id: str) -> dict[str, Any]:
    from wandb.proto import wandb_internal_pb2

    found: dict[str, Any] = {
        "config": {},
        "scalars": [],
        "images": [],
        "best": {},
        "files": {},
        "outcomes": [],
    }
    for session in sorted(folder.glob(f"offline-run-*-{run_id}")):
        for data in leveldb_records((session / f"run-{run_id}.wandb").read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            for item in record.run.config.update:
                found["config"][item.key] = json.loads(item.value_json)
            if record.HasField("history"):
                values = {tuple(item.nested_key): json.loads(item.value_json) for item in record.history.item}
                step = values[("step",)]
                for key, value in values.items():
                    if key[0].startswith(("training", "validation")):
                        found["scalars"].append([key[0], step, value])
                    if key[-1] == "path":
                        found["images"].append([key[0], step, digest(session / "files" / value)])
            for item in record.summary.update:
                if item.key.startswith("best/"):
                    found["best"][item.key] = json.loads(item.value_json)
            for entry in record.artifact.manifest.contents:
                found["files"][entry.path] = digest(Path(entry.local_path))
            if record.HasField("exit"):
                found["outcomes"].append(record.exit.exit_code)
    return found


def mlflow_run(uri: str, run_id: str) -> dict[str, Any]:
    import mlflow

    client = mlflow.MlflowClient(uri)
    run = client.get_run(run_id)
    root = Path(run.info.artifact_uri)
    histories = {name: client.get_metric_history(run_id, name) for name in run.data.metrics}
    return {
        "config": {key: parsed(value) for key, value in {**run.data.params, **run.data.tags}.items()},
        "scalars": [[m.key, m.step, m.value] for all_of in histories.values() for m in all_of],
        "images": [
            [f"predictions/{path.stem}", int(path.parent.name.removeprefix("step_")), digest(path)]
            for path in root.glob("predictions/*/*.png")
        ],
        "best": {name: value for name, value in run.data.metrics.items() if name.startswith("best/")},
        "files": {
            path.relative_to(root / "run").as_posix(): digest(path)
            for path in (root / "run").rglob("*")
            if path.is_file()
        },
        "outcomes": [run.info.status],
    }


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def trackio_run(folder: Path, run_id: str) -> dict[str, Any]:
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    (run,) = (one for one in trackio.Api().runs("fcn") if one.name == run_id)
    rows = SQLiteStorage.get_logs("fcn", run=run_id)
    values = [(key, row["step"], value) for row in rows for key, value in row.items()]
    (stored,) = SQLiteStorage.list_artifacts("fcn")
    manifest = SQLiteStorage.get_artifact_manifest("fcn", stored["name"], "latest")
    return {
        "config": run.config,
        "scalars": [list(one) for one in values if one[0].startswith(("training", "validation"))],
        "images": [
            [key, step, digest(folder / "media" / value["file_path"])]
            for key, step, value in values
            if key.startswith("predictions")
        ],
        "best": {key: value for key, _, value in values if key.startswith("best/")},
        "files": {entry["path"]: entry["digest"] for entry in manifest["manifest"]},
        "outcomes": [],
    }


if __name__ == "__main__":
    library, place, name = sys.argv[1:]
    reader = {"wandb": wandb_run, "mlflow": mlflow_run, "trackio": trackio_run}[library]
    print(json.dumps(reader(place if library == "mlflow" else Path(place), name)))
