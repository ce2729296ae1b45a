"""Tests of what the package uses of libraries beyond their documented interfaces."""

import ast
import importlib
import importlib.metadata
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import keras
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

PRIVATE_PARTS = {
    "keras": (
        "keras.Model._flatten_layers",
        "keras.src.ops.function.Function._run_through_graph",
        "keras.Layer._inbound_nodes",
        "keras.KerasTensor._keras_history",
        # Names of classes in `.keras` files.
        *("keras.src.models.functional.Functional", "keras.src.ops.core", "keras.src.ops.math"),
        *("keras.src.ops.nn", "keras.src.ops.numpy"),
    ),
    "openvino": ("openvino.frontend.tensorflow.utils.get_environment_setup",),
    "tensorflow": (
        "tensorflow.tsl.profiler.protobuf.xplane_pb2.XSpace",
        "tensorflow.python.eager.context.FunctionCallOptions",
        "tensorflow.python.eager.context.context",
    ),
    "uvicorn": tuple(
        f"uvicorn.protocols.http.h11_impl.H11Protocol.{name}"
        for name in (
            *("connection_made", "data_received", "eof_received", "connection_lost", "pause_writing"),
            *("resume_writing", "on_response_complete", "send_400_response"),
        )
    ),
}
"""What may change in any version of a package that is newer than the bound in `pyproject.toml`."""

OF_PYTHON = {"_exit", "_getframe", "_replace", "_asdict", "_fields", "_make"}
"""Documented, in spite of their names."""


def requirements() -> dict[str, list[Requirement]]:
    """Every requirement in `pyproject.toml`, by the name of its package."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = document["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    found: dict[str, list[Requirement]] = {}
    for text in chain(*groups, *document["dependency-groups"].values()):
        requirement = Requirement(text)
        found.setdefault(requirement.name, []).append(requirement)
    return found


def resolve(name: str) -> object:
    """Imports the longest part of a dotted name that is a module, and returns what the rest names in it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("package", PRIVATE_PARTS)
def test_every_requirement_of_a_package_with_private_parts_has_an_upper_bound(package: str) -> None:
    found = requirements()[package]
    installed = importlib.metadata.version(package)
    for requirement in found:
        assert any(one.operator == "<" for one in requirement.specifier), requirement
        assert requirement.specifier.contains(installed), requirement


@pytest.mark.parametrize("name", [name for names in PRIVATE_PARTS.values() for name in names])
def test_a_private_part_is_there(name: str) -> None:
    owner, _, attribute = name.rpartition(".")
    if owner in ("keras.KerasTensor", "keras.Layer"):  # objects have it, not their class
        tensor, layer = keras.Input((2,)), keras.layers.Identity()
        layer(tensor)
        assert hasattr(tensor if owner == "keras.KerasTensor" else layer, attribute)
    else:
        resolve(name)


def private_uses(tree: ast.AST) -> Iterator[str]:
    """Yields the attributes with a leading underscore that code takes of what is not `self` or `cls`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not own:
                yield node.attr


def test_no_other_private_attribute_of_a_library_is_used() -> None:
    known = {name.rpartition(".")[2] for names in PRIVATE_PARTS.values() for name in names} | OF_PYTHON
    used, ours = set(), set()
    for path in (ROOT / "fcn").rglob("*.py"):
        tree = ast.parse(path.read_text())
        used |= set(private_uses(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                ours.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                ours.add(node.attr)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                ours.add(node.target.id)
    assert "_run_through_graph" in used
    assert used - ours <= known
