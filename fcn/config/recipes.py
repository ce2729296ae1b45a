"""The recipes that come with this package, by name."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE.parent / "configs", _PACKAGE / "recipes")
"""Where the recipes are: in a checkout, and in an installed package (`setup.py`)."""


def recipe_names() -> list[str]:
    """Returns the names of all recipes.

    Example:
        >>> "voc_fcn8s" in recipe_names()
        True
    """
    return sorted(path.stem for folder in _FOLDERS for path in folder.glob("*.yaml"))


def find_recipe(path: Path) -> Path | None:
    """Returns the file of the recipe that a path names, with or without `.yaml`.

    Args:
        path: What a user gave for a configuration.

    Returns:
        None if it is no such name, or something has that name where the user is.

    Example:
        >>> find_recipe(Path("quickstart")).name, find_recipe(Path("folder/quickstart"))
        ('quickstart.yaml', None)
    """
    if len(path.parts) != 1 or path.suffix not in ("", ".yaml") or path.exists():
        return None
    files = (folder / f"{path.stem}.yaml" for folder in _FOLDERS)
    return next((file for file in files if file.is_file()), None)
