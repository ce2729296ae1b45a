"""Writes the pages of `docs/reference/` that are made from the code: keys, commands, functions.

    make docs

The pages are part of the repository, so that a git host shows them; a test compares them with the code.
"""

from collections.abc import Callable
from pathlib import Path

from describe_api import describe_api
from describe_commands import describe_commands
from describe_keys import describe_keys

FOLDER = Path(__file__).resolve().parents[1] / "reference"

PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": describe_keys,
    "commands.md": describe_commands,
    "python.md": describe_api,
}
"""The pages, with the functions that return them."""


def main() -> None:
    """Writes the pages that have changed."""
    FOLDER.mkdir(exist_ok=True)
    for name, describe in PAGES.items():
        path, text = FOLDER / name, describe()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"docs/reference/{name}: written.")


if __name__ == "__main__":
    main()
