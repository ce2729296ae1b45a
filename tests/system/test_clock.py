"""The clock of the day, which may jump, decides nothing: how long something takes is told by other clocks."""

import ast
from pathlib import Path

import fcn

ROOT = Path(fcn.__file__).parent
READ_BY = {
    "comparison/page.py": "when the page was written",
    "exports/card/model_card.py": "when the model was exported",
    "jobs/sources/web.py": "how long until a date that a server sent",
    "jobs/worker_lease.py": "when a worker began, for people who look into the store",
    "report/details.py": "when the page was written",
    "report/page.py": "when the page was written",
    "server/observability/logs.py": "when something was logged",
    "system/progress.py": "when work that is shown is expected to end",
    "training/callbacks.py": "when a training is expected to end",
    "training/loggers/mlflow.py": "when something was logged, for MLflow",
    "training/log.py": "when a step ended, for TensorBoard",
}
"""The only files that may look at it, and what they tell."""
CALLS = {
    *(("time", name) for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "strftime")),
    *(("datetime", name) for name in ("now", "utcnow", "today", "fromtimestamp")),
    *(("date", name) for name in ("today", "fromtimestamp")),
}


def looks_at_the_clock(source: str) -> bool:
    """Returns whether a source calls one of these, by the name of its module or one of its own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and {(node.module, name.name) for name in node.names} & CALLS:
            return True
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = getattr(owner, "id", None) or getattr(owner, "attr", None)
            if (name, node.attr) in CALLS:
                return True
    return False


def test_only_these_files_look_at_the_clock_of_the_day() -> None:
    sources = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in ROOT.rglob("*.py")}
    assert {name for name, source in sources.items() if looks_at_the_clock(source)} == READ_BY.keys()


def test_every_way_to_look_is_found() -> None:
    assert looks_at_the_clock("import time\ntime.time()")
    assert looks_at_the_clock("from time import time as now")
    assert looks_at_the_clock("import datetime\ndatetime.datetime.now()")
    assert not looks_at_the_clock("import time\ntime.monotonic()")
