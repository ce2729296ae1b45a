"""Warns of pinned packages with known advisories, and of pinned releases that were withdrawn ("yanked").

`make audit` runs it, and CI at its end. It warns and never fails. pip-audit asks for advisories; pip's own
connection asks its package index for yanked releases, as its configuration says. What could not be asked is
printed: a mirror of packages often has no advisories, and then nothing found means nothing.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from pip._internal.commands.index import IndexCommand
from pip._internal.exceptions import PipError

from fcn.system.text import print_lines

FOLDER = Path(__file__).parent
KNOWN_BAD = "jinja2==3.1.2"
"""A release with advisories since 2024. Whoever knows of none for it answers nothing about the others."""

_JSON = "application/vnd.pypi.simple.v1+json"
_SECONDS = 5


class NoAnswerError(Exception):
    """A source that could not be asked, or that knows nothing."""


def main(arguments: list[str] | None = None) -> None:
    """Prints what is known of the pinned packages; ends normally, whatever that is."""
    parser = argparse.ArgumentParser(description="Warns of pinned packages with known advisories or yanked.")
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="pinned packages (default: all in requirements/)"
    )
    parser.add_argument("--osv-url", metavar="URL", help="ask a server with the interface of OSV")
    options = parser.parse_args(arguments)
    files = options.files or sorted(FOLDER.glob("*.txt"))
    pins = read_pins(files)
    print_lines(f"Audit of {len(pins)} pinned packages, as Python {sys.version.partition(' ')[0]} uses them:")
    for kind, findings in (
        ("known advisories", find_advisories(files, options.osv_url)),
        ("yanked releases", find_yanked(pins)),
    ):
        count = 0
        try:
            for finding in findings:
                print_lines(f"WARNING: {finding}")
                count += 1
        except NoAnswerError as error:
            checked = f"{count}, the rest is not checked" if count else "not checked"
            print_lines(f"WARNING: {kind}: {checked}. {error}")
        else:
            print_lines(f"{kind}: {count or 'none'}")


def read_pins(files: Iterable[Path]) -> list[Requirement]:
    """Returns the packages that files pin for this Python and operating system, each once, without hashes."""
    lines = {line.removesuffix("\\").strip() for file in files for line in file.read_text().splitlines()}
    pins = [Requirement(line) for line in sorted(lines) if line and not line.startswith(("#", "--hash"))]
    return [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]


def find_advisories(files: Iterable[Path], osv_url: str | None) -> Iterator[str]:
    """Yields a line for each advisory that is known of a pinned package.

    Raises:
        NoAnswerError: If no source of advisories could be reached, or it knows not even an old one.
    """
    service = ["--vulnerability-service", "osv", "--osv-url", osv_url] if osv_url else []
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder) / "known.txt"
        known.write_text(f"{KNOWN_BAD}\n")
        (answer,) = _run_pip_audit([known], service)
    if not answer.get("vulns"):
        reason = answer.get("skip_reason", f"it knows no advisory of {KNOWN_BAD}, which has several")
        raise NoAnswerError(f"No source of advisories could be reached: {reason}.")
    for package in _run_pip_audit(files, [*service, "--require-hashes"]):
        if "skip_reason" in package:
            yield f"{package['name']} was not checked: {package['skip_reason']}."
        for advisory in package.get("vulns", []):
            fixed = ", ".join(advisory["fix_versions"]) or "no release yet"
            yield f"{package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}."


def _run_pip_audit(files: Iterable[Path], options: Iterable[str]) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    command += ["--no-deps", "--disable-pip", "--timeout", str(_SECONDS), *options]
    for file in files:
        command += ["--requirement", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    try:
        answer: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError) as error:
        reason = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise NoAnswerError(f"pip-audit gave no answer: {reason}.") from error
    return answer


def find_yanked(pins: Iterable[Requirement]) -> Iterator[str]:
    """Yields a line for each pinned release that its index marks as yanked (PEP 592, in the JSON of PEP 691).

    pip has no command for this; its warning comes only after a download. Its session knows its certificates,
    passwords and proxies.

    Raises:
        NoAnswerError: If the index cannot be asked.
    """
    logging.getLogger("pip").setLevel(logging.ERROR)  # it announces each second try
    command = IndexCommand("index", "")
    with command.main_context():
        options, _ = command.parse_args(["--retries", "1", "--timeout", str(_SECONDS)])
        session = command.get_default_session(options)
        for pin in pins:
            (specifier,) = pin.specifier
            try:
                page = f"{options.index_url.rstrip('/')}/{canonicalize_name(pin.name)}/"
                response = session.get(page, headers={"Accept": _JSON})
                response.raise_for_status()
                files = response.json()["files"]
            except (PipError, OSError, ValueError, KeyError) as error:
                reason = type(error).__name__ if isinstance(error, PipError) else error
                raise NoAnswerError(f"The package index gave no answer for {pin.name}: {reason}.") from error
            reasons = [file.get("yanked", False) for file in files if _is_of(file["filename"], pin)]
            if reasons and all(reasons):
                why = f": {reasons[0]}" if isinstance(reasons[0], str) else ""
                yield f"{pin.name} {specifier.version} was yanked{why}. Pin another release with `make lock`."


def _is_of(filename: str, pin: Requirement) -> bool:
    """Returns whether a file of an index belongs to the release that is pinned."""
    if not any(specifier.version in filename for specifier in pin.specifier):  # parsing takes much longer
        return False
    try:
        if filename.endswith(".whl"):
            version = parse_wheel_filename(filename)[1]
        else:
            version = parse_sdist_filename(filename)[1]
    except ValueError:  # another kind of file, as old projects have
        return False
    return pin.specifier.contains(version, prereleases=True)


if __name__ == "__main__":
    main()
