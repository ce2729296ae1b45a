"""Tests that the pages of `docs/reference/` made from the code are current, and the others whole."""

import doctest
import json
import re
from pathlib import Path

import build_site
import describe_api
import describe_commands
import describe_keys
import pytest
import stage_pages
from http_server import engine_service
from pausable_engine import PausableEngine
from write_reference import FOLDER, PAGES

import fcn
from fcn.config.file import Config
from fcn.config.loss import LossConfig
from fcn.evaluation.metrics import BoundaryScores, Scores
from fcn.inference.engines.signatures import signatures
from fcn.runs.folder import RunFolder
from fcn.runs.log import COLUMNS
from fcn.server.app import ServerSettings, create_app
from fcn.server.interface import ErrorKind
from fcn.server.served_models import ServedModels

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


def read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def first_cells(text: str) -> list[str]:
    """Returns the code in the first cell of each row of the tables of a page."""
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert read(name) == PAGES[name](), "make docs writes the page again"


def test_a_key_without_a_description_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LossConfig, "__doc__", (LossConfig.__doc__ or "").replace("focal_gamma:", "gamma:"))
    with pytest.raises(SystemExit, match=r"loss\.py: the docstring of LossConfig .* focal_gamma\. Add it"):
        describe_keys.describe_keys()


def test_each_key_has_a_heading_a_type_and_a_meaning() -> None:
    text = read("configuration.md")
    keys = re.findall(r"^### `(\w+\.\w+)`\n\n\*(.+)\*\n\n(.+)\n", text, re.MULTILINE)
    config = Config.model_validate({"data": {"root": Path("data")}})
    assert [key for key, _, _ in keys] == [
        f"{section}.{key}" for section, values in config.values().items() for key in values
    ]
    kinds = {key: kind for key, kind, _ in keys}
    assert kinds["train.steps"] == "a whole number of at least 1; default: `20000`"
    assert kinds["data.root"] == "a path; must be given"
    assert kinds["train.optimizer"] == "`sgd` or `adamw`; default: `sgd`"
    assert (
        kinds["data.bits"] == "a whole number, 8 to 16, or null; default: `null`; for example `data.bits=12`"
    )
    assert kinds["train.seed"] == "a whole number of at least 0, below 4,294,967,296; default: `0`"


def test_what_a_docstring_says_is_without_names_of_code() -> None:
    assert not re.search(r"\bNone\b|`fcn\.", read("configuration.md"))


@pytest.mark.parametrize("words", ["--grpc-port PORT", "--until-drop POINTS", "--vary KEY=V,V"])
def test_options_are_on_the_page_of_the_commands(words: str) -> None:
    option = words.split()[0]
    assert re.search(rf"^\| `{option}\b[^`]*` \| \S", read("commands.md"), re.MULTILINE)


def test_each_public_name_is_on_the_page_for_programs() -> None:
    names = re.findall(r"^### `fcn\.(\w+)`$", read("python.md"), re.MULTILINE)
    assert sorted(names) == sorted(fcn.__all__)


def test_each_file_of_a_run_is_described() -> None:
    cells = first_cells(read("run_folder.md"))
    run = RunFolder(Path())
    paths = [value for name, value in vars(run).items() if name != "path"]
    for path in paths:
        name = path.as_posix().replace("step_*", "step_NNNNNNNN")
        assert any(cell.removesuffix("/").removesuffix("/NAME") == name for cell in cells), name
    assert set(COLUMNS) <= set(cells)


def test_each_score_is_described() -> None:
    cells = set(first_cells(read("run_folder.md")))
    saved = json.loads((FIXTURES / "runs" / "same" / "scores.json").read_text())
    assert {*saved, *Scores._fields, *BoundaryScores._fields} <= cells


def test_each_file_and_signature_of_an_export_is_described() -> None:
    text = read("exported_model.md")
    cells = first_cells(text)
    version = FIXTURES / "export" / "1"
    for path in version.rglob("*"):
        name = path.relative_to(version).as_posix()
        assert any(
            name == cell
            or (cell.endswith("/") and f"{name}/".startswith(cell))
            or cell.startswith(f"{name}/")
            for cell in cells
        ), name
    for name, signature in signatures(21).items():
        assert name in cells
        for tensor in (*signature.inputs, *signature.outputs):
            assert f"`{tensor}`" in text


def test_each_request_of_the_server_is_described(tmp_path: Path) -> None:
    with engine_service(tmp_path, PausableEngine()) as service:
        described = create_app(ServedModels([service]), service.resources, ServerSettings()).openapi()
    text = read("server.md")
    requests = {
        f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods
    }
    # Two tables say in a sentence that each request may name a version.
    requests = {each for each in requests if "/versions/" not in each or each.endswith(":segment")}
    cells = set(first_cells(text))
    assert {cell for cell in cells if cell.startswith(("GET /", "POST /"))} == requests | {
        "GET /",
        "GET /openapi.json",
    }
    segment = described["paths"]["/v1/models/{name}:segment"]["post"]
    assert {each["name"] for each in segment["parameters"] if each["in"] == "query"} <= cells
    assert set(segment["responses"]["200"]["headers"]) <= cells
    statuses = re.findall(r"\b[45]\d\d\b", text[text.index("## Status codes") :])
    assert {str(kind.value) for kind in ErrorKind} | {"422"} == set(statuses)


@pytest.mark.parametrize(
    "module",
    [build_site, describe_api, describe_commands, describe_keys, stage_pages],
    ids=lambda one: one.__name__,
)
def test_examples_in_the_programs_of_the_site_hold(module) -> None:
    assert doctest.testmod(module).failed == 0


def test_a_signature_is_written_as_people_write_it() -> None:
    definition = describe_api.find_definition("fcn.training.loop.train")
    assert "".join(describe_api.describe_signatures("fcn.train", definition)).startswith(
        "fcn.train(\n    config: "
    )
    with pytest.raises(LookupError, match=r"fcn\.training\.loop\.nothing"):
        describe_api.find_definition("fcn.training.loop.nothing")
