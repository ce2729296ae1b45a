"""Runs the code of a tutorial in an empty folder, and compares what it prints with what the page shows.

    python tests/tutorial_page.py                                       compares all pages
    python tests/tutorial_page.py --write docs/tutorials/own_labels.md  writes outputs and pictures

A page is Markdown that reads well anywhere. All bash blocks run in one shell and all Python blocks in
one interpreter, in the order of the page; each must succeed. The `text` block after a block shows its
output: stdout, and for bash stderr too, without lines of progress. Comments, which no reader sees, say
what else is to be done:

    <!-- file: small.yaml -->          the next block is the content of this file
    <!-- not run -->                   the next block is not run
    <!-- output: first 3, last 2 -->   only these lines of the output are shown in the next block
    <!-- output: without "Watch", percentages within 5, numbers within 0.3 -->   or: numbers vary
    <!-- picture: cat.jpg cat.png -> ../images/tutorials/cat.jpg -->   these, side by side

Numbers must be equal unless a comment says otherwise: `percentages` are those before a %, `numbers` others
with a decimal point, such as a loss; counts must be equal unless numbers vary. Where numbers vary, so do
percentages that have no bound. Times may always differ.
Port 8501, which may be taken, is replaced by a free one while the page runs.
"""

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tutorial_session import ROOT, PageError, Session

PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
LARGEST_PICTURE = 60_000
"""Bytes."""

PICTURE_HEIGHT = 240
LARGEST_DIFFERENCE = 20.0
"""Mean over the pixels, of 255. JPEG makes 0.2, another training of the net in `own_labels.md` made 6, and
another picture makes more than 70. The scores of the page tell whether a net has learned."""

_MAY_BE_MISSING = ("curl",)
"""Programs of pages that a small container lacks; what is not named here must be there."""


class Block(NamedTuple):
    """A fenced block, or a comment that is one of its own (`picture`).

    Attributes:
        kind: `bash`, `python`, `text`, ... or `picture`.
        first: Index of its first line of content.
        last: Index behind its last line of content.
        content: What is in it.
        notes: Comments before it: name to value.
    """

    kind: str
    first: int
    last: int
    content: str
    notes: dict[str, str]


def read_blocks(page: str) -> list[Block]:
    """Returns the blocks of a page in their order."""
    blocks: list[Block] = []
    notes: dict[str, str] = {}
    lines = page.split("\n")
    index = 0
    while index < len(lines):
        line = lines[index]
        if note := re.fullmatch(r"<!-- (file|not run|output|picture)(?:: (.*))? -->", line):
            name, value = note[1], note[2] or ""
            if name == "picture":
                blocks.append(Block("picture", index, index + 1, value, {}))
            else:
                notes[name] = value
        elif fence := re.fullmatch(r"```(\w*)", line):
            last = lines.index("```", index + 1)
            blocks.append(Block(fence[1], index + 1, last, "\n".join(lines[index + 1 : last]), notes))
            notes, index = {}, last
        index += 1
    return blocks


def missing_programs(page: Path) -> list[str]:
    """Returns the programs that a page runs and this machine lacks."""
    code = [block.content for block in read_blocks(page.read_text()) if block.kind == "bash"]
    words = set(re.findall(r"[\w-]+", "\n".join(code)))
    return [name for name in _MAY_BE_MISSING if name in words and shutil.which(name) is None]


class OutputOptions(NamedTuple):
    """What of an output is shown, and how it is compared.

    Attributes:
        first: Number of lines shown from the beginning; None for all.
        last: Number of lines shown from the end.
        without: Lines with one of these texts are left out.
        numbers: How far numbers with a decimal point may be from those in the page. Where it is infinite,
            counts may differ too, and percentages unless they have a bound of their own.
        percentages: How far percentages may be from them.
    """

    first: int | None = None
    last: int = 0
    without: tuple[str, ...] = ()
    numbers: float = 0.0
    percentages: float = 0.0


def read_output_options(note: str) -> OutputOptions:
    """Returns what a comment `output` asks for."""
    without = tuple(re.findall(r'without "([^"]+)"', note))
    rest = re.sub(r'without "[^"]+"', "", note)
    first, last, numbers, percentages = None, 0, 0.0, 0.0
    for part in filter(None, (part.strip() for part in rest.split(","))):
        if part == "numbers vary":
            numbers = float("inf")
        elif found := re.fullmatch(r"numbers within ([\d.]+)", part):
            numbers = float(found[1])
        elif found := re.fullmatch(r"percentages within ([\d.]+)", part):
            percentages = float(found[1])
        elif found := re.fullmatch(r"first (\d+)", part):
            first = int(found[1])
        elif found := re.fullmatch(r"last (\d+)", part):
            last = int(found[1])
        else:
            raise PageError(f"Not understood in a comment: output: {note}")
    return OutputOptions(0 if first is None and last else first, last, without, numbers, percentages)


def select(lines: list[str], options: OutputOptions) -> list[str]:
    """Returns the lines of an output that a page shows."""
    lines = [line for line in lines if not any(text in line for text in options.without)]
    if options.first is None or options.first + options.last >= len(lines):
        return lines
    begin, end = lines[: options.first], lines[len(lines) - options.last :]
    return [*begin, "...", *end] if begin else end


TIME = re.compile(r"\b\d+(\.\d+)? ?(images/s|seconds?|s|ms|minutes?|min|hours?)\b|\b\d\d:\d\d(:\d\d)?\b")
NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)")


def matches(shown: str, printed: str, options: OutputOptions) -> bool:
    """Returns whether two lines are equal but for spaces, rules of tables, times and tolerated numbers."""
    tokens = []
    for line in (shown, printed):
        plain = re.sub(r"[\s─]+", " ", TIME.sub("TIME", line)).strip()
        tokens.append(NUMBER.split(re.sub(r" ?\| ?", "|", plain)))
    first, second = tokens
    if [part.strip() for part in first[::2]] != [part.strip() for part in second[::2]]:
        return False
    numbers = zip(first[1::2], second[1::2], first[2::2], strict=True)
    return all(_is_near(*pair, behind.startswith("%"), options) for *pair, behind in numbers)


def _is_near(shown: str, printed: str, is_percentage: bool, options: OutputOptions) -> bool:
    difference = abs(float(shown.replace(",", "")) - float(printed.replace(",", "")))
    vary = options.numbers == float("inf")
    if is_percentage:
        return difference <= (options.percentages or (options.numbers if vary else 0))
    is_count = "." not in shown and "." not in printed
    return difference <= (0 if is_count and not vary else options.numbers)


def compare(block: Block, printed: list[str]) -> None:
    """Compares an output with what the page shows.

    Raises:
        PageError: If they differ.
    """
    options = read_output_options(block.notes.get("output", ""))
    shown, printed = block.content.splitlines(), select(printed, options)
    alike = len(shown) == len(printed) and all(
        matches(*pair, options) for pair in zip(shown, printed, strict=True)
    )
    if not alike:
        raise PageError(
            f"Line {block.first + 1} shows another output. If it is right now: make tutorials\n"
            + "\n".join(["The page:", *shown, "", "The program:", *printed])
        )


def draw_picture(folder: Path, names: list[str]) -> np.ndarray:
    """Returns image files side by side at one scale, on white, `uint8[H, W, 3]`, BGR."""
    images = [cv2.imread(str(folder / name)) for name in names]
    for name, image in zip(names, images, strict=True):
        if image is None:
            raise PageError(f"{name}: no image was written there.")
    scale = PICTURE_HEIGHT / images[0].shape[0]
    parts = [cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) for image in images]
    height = max(part.shape[0] for part in parts)
    bottoms = [((0, height - part.shape[0]), (0, 8), (0, 0)) for part in parts]
    padded = [np.pad(part, bottom, constant_values=255) for part, bottom in zip(parts, bottoms, strict=True)]
    return np.concatenate(padded, axis=1)


def run_page(page: Path, folder: Path, write: bool = False, python: Path = Path(sys.executable)) -> None:
    """Runs a page in a folder, and compares its outputs and pictures or writes them.

    Args:
        page: The page.
        folder: An empty folder.
        write: Whether outputs and pictures are written into the page.
        python: The interpreter of its blocks.

    Raises:
        PageError: If a block fails, or an output differs.
    """
    text = page.read_text()
    lines, shift = text.split("\n"), 0
    printed: list[str] = []
    with Session(folder, python) as session:
        for block in read_blocks(text):
            if "not run" in block.notes:
                continue
            if name := block.notes.get("file"):
                (folder / name).write_text(block.content + "\n")
            elif block.kind in ("bash", "python"):
                printed = session.run(block.kind, block.content)
            elif block.kind == "text" and write:
                chosen = select(printed, read_output_options(block.notes.get("output", "")))
                lines[block.first + shift : block.last + shift] = chosen
                shift += len(chosen) - (block.last - block.first)
            elif block.kind == "text":
                compare(block, printed)
            elif block.kind == "picture":
                _picture(page, folder, block.content, write)
    if write:
        page.write_text("\n".join(lines))


def _picture(page: Path, folder: Path, note: str, write: bool) -> None:
    names, _, place = note.partition(" -> ")
    picture, path = draw_picture(folder, names.split()), page.parent / place
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
        return
    shown = cv2.imread(str(path))
    if shown is None or shown.shape != picture.shape or path.stat().st_size > LARGEST_PICTURE:
        raise PageError(f"{place}: expected a picture {picture.shape} of at most {LARGEST_PICTURE} bytes.")
    if (difference := float(np.abs(shown.astype(float) - picture).mean())) > LARGEST_DIFFERENCE:
        raise PageError(f"{place}: is another picture now; its pixels differ by {difference:.0f} on average.")


def main() -> None:
    """Compares or writes pages."""
    parser = argparse.ArgumentParser(description="Runs tutorials, and compares or writes their outputs.")
    parser.add_argument("pages", type=Path, nargs="*", default=PAGES)
    parser.add_argument("--write", action="store_true", help="write outputs and pictures into the pages")
    options = parser.parse_args()
    for page in options.pages:
        print(page.name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            run_page(page.resolve(), Path(folder), options.write)


if __name__ == "__main__":
    main()
