"""Writes the reference of the functions and classes for programs, from the code alone: nothing is imported.

On a git host the page has signatures and first sentences. In the site each sentence is replaced by all that
mkdocstrings shows of a function or class; `stage_pages.py` does that.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_HEAD = """# Functions and classes for programs

`import fcn` is instant: each name is imported when it is first used. Sizes are (height, width); an image is
`uint8[H, W, 3]`, RGB, and a label `uint8[H, W]`, class ids with 255 for void. A mistake that you can correct
raises an `FcnError`, which names the file and the remedy. For examples, see [Use it in Python](../python.md).
"""

PARTS = {
    "Data": {
        "fcn.import_labels": "fcn.labels.importing.imported.import_labels",
        "fcn.check_dataset": "fcn.labels.checking.check.check_dataset",
        "fcn.generate_dataset": "fcn.data.generated.dataset.generate_dataset",
    },
    "Train": {
        "fcn.train": "fcn.training.loop.train",
        "fcn.load_config": "fcn.config.file.load_config",
        "TrainingResult": "fcn.training.result.TrainingResult",
    },
    "Label": {
        "fcn.Predictor": "fcn.inference.predictor.Predictor",
        "Prediction": "fcn.outputs.prediction.Prediction",
        "fcn.label_images": "fcn.jobs.label_images.label_images",
    },
    "Score": {
        "fcn.evaluate": "fcn.evaluation.evaluate.evaluate",
        "Evaluation": "fcn.evaluation.evaluation.Evaluation",
        "Scores": "fcn.evaluation.metrics.Scores",
        "fcn.calibrate": "fcn.evaluation.calibrate.calibrate",
        "fcn.suggest": "fcn.suggestion.suggest.suggest",
    },
    "Export, make smaller": {
        "fcn.export": "fcn.exports.export.export",
        "fcn.slim": "fcn.slimming.slim.slim",
    },
    "Nets": {
        "fcn.build_model": "fcn.models.factory.build_model",
        "fcn.load_model": "fcn.runs.model_file.load_model",
        "fcn.convolutionalize": "fcn.models.surgery.convolutionalize",
        "Arguments of every net": "fcn.models.arguments.NetArguments",
    },
    "Errors": {
        name: f"fcn.errors.{name}"
        for name in (
            "FcnError",
            "ConfigError",
            "DataError",
            "RunError",
            "TrustError",
            "OutputError",
            "BackendError",
        )
    },
}
"""Described objects: the name in a program, and the module that defines it."""


def describe_api() -> str:
    """Returns the page, in Markdown."""
    parts = [_HEAD]
    for title, names in PARTS.items():
        parts.append(f"\n## {title}\n")
        for name, place in names.items():
            node = find_definition(place)
            code = "\n".join(describe_signatures(name, node))
            parts.append(
                f"\n### `{name}`\n\n```python\n{code}\n```\n\n"
                f"<!-- site: ::: {place} -->\n\n{_first_sentence(node)}\n\n<!-- /site -->\n"
            )
    return "".join(parts)


Definition = ast.ClassDef | ast.FunctionDef


def find_definition(place: str) -> Definition:
    """Returns the code of a function or class.

    Args:
        place: Its module and name, as "fcn.models.fcn.FCN".

    Raises:
        LookupError: If there is none.
    """
    module, _, name = place.rpartition(".")
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    if path.is_file():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, Definition) and node.name == name:
                return node
    raise LookupError(f"{place}: is not defined there. Correct it in {__file__}.")


def _first_sentence(node: Definition) -> str:
    """Returns the first paragraph of the docstring, in one line."""
    return " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())


def describe_signatures(name: str, node: Definition) -> Iterator[str]:
    """Yields the signature of a function; of a class, how it is made and what it can do."""
    if isinstance(node, ast.FunctionDef):
        yield _signature(name, node)
        return
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
    made = name if name.startswith("fcn.") else node.name
    yield next((_signature(made, each) for each in methods if each.name == "__init__"), made)
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and not (text := ast.unparse(field)).startswith("_"):
            yield f".{text}"
    for each in methods:
        if not each.name.startswith("_"):
            decorators = {ast.unparse(decorator) for decorator in each.decorator_list}
            is_property = bool(decorators & {"property", "cached_property"})
            yield f".{each.name}" if is_property else f".{_signature(each.name, each)}"


def _signature(name: str, node: ast.FunctionDef) -> str:
    """Returns a signature, with a line for each argument if it is long."""
    arguments = [_spaced(part) for part in _split(ast.unparse(node.args)) if part not in ("self", "cls")]
    returned = (
        f" -> {ast.unparse(node.returns)}".replace("'", "")
        if node.returns and node.name != "__init__"
        else ""
    )
    line = f"{name}({', '.join(arguments)}){returned}"
    if len(line) <= 100:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in arguments) + f"){returned}"


def _spaced(argument: str) -> str:
    """Returns an argument with spaces around `=`, and without quotes around its type."""
    name, equals, default = argument.partition("=")
    typed = name.replace("'", "")
    return f"{typed} = {default}" if equals and ":" in typed else f"{typed}{equals}{default}"


def _split(arguments: str) -> list[str]:
    """Returns arguments apart; commas in brackets do not separate them."""
    parts, depth = [""], 0
    for character in arguments:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]
