"""Builds the documentation site into `site/`, which any browser reads, also without a network or a server.

    make docs

A link or an anchor that leads nowhere ends the build. So does a page that would load something from another
host. Only a whole site replaces the one before.
"""

import re
import shutil
import subprocess
import sys

from stage_pages import CONFIG, ROOT, Stage, configuration

BUILD = ROOT / "build" / "website"
SITE = ROOT / "site"

_RESOURCE = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\ssrc=[\"']?(?P<src>(?:https?:)?//[^\"'\s>]+)"
    r"|<link\b(?![^>]*rel=[\"']?canonical)[^>]*?\shref=[\"']?(?P<href>(?:https?:)?//[^\"'\s>]+)"
    r"|(?:url\(|@import\s*)[\"']?(?P<url>(?:https?:)?//[^\"')\s]+)",
    re.IGNORECASE,
)


def foreign_resources(text: str) -> list[str]:
    """Returns the addresses on other hosts from which a page or a style would load something.

    Links that a reader may follow are not among them.

    Args:
        text: A page or a style.

    Example:
        >>> foreign_resources('<script src="https://a.example/b.js"></script> <a href="https://c.example">')
        ['https://a.example/b.js']
    """
    return [found["src"] or found["href"] or found["url"] for found in _RESOURCE.finditer(text)]


def main() -> None:
    """Builds the site, checks it and puts it in its place."""
    docs, built = BUILD / "docs", BUILD / "site"
    try:
        Stage(docs).fill()
    except ValueError as error:
        sys.exit(f"Error: {error}")
    (BUILD / CONFIG.name).write_text(configuration(), encoding="utf-8")
    shutil.rmtree(built, ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", CONFIG.name]
    done = subprocess.run(command, cwd=BUILD, check=False)
    if done.returncode:
        sys.exit("Error: the site has problems, which are listed above. Correct the pages in docs/.")
    for page in docs.rglob("*.md"):  # for `llms.txt`, which names the pages in Markdown
        copy = built / page.relative_to(docs)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, copy)
    pages = [path for path in built.rglob("*") if path.suffix in (".html", ".css")]
    wrong = [
        f"{path.relative_to(built)}: {address}"
        for path in pages
        for address in foreign_resources(path.read_text(encoding="utf-8"))
    ]
    if wrong:
        sys.exit("Error: these pages load something from another host:\n" + "\n".join(wrong))
    shutil.rmtree(SITE, ignore_errors=True)
    built.rename(SITE)
    print(f"{len(list(SITE.rglob('*.html')))} pages in {SITE.relative_to(ROOT)}/: open site/index.html.")


if __name__ == "__main__":
    main()
