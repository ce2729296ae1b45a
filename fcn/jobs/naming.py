"""Names the outputs of each image: `FOLDER/STEM`, or `FOLDER/NAME.EXT` if names clash."""

import os
import posixpath
import sqlite3
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fcn.errors import DataError
from fcn.jobs.sources.links import is_url, path_of_url, shown_place
from fcn.jobs.video_files import FRAME_SUFFIXES, VIDEO_MARK


def name_of_file(place: str) -> str:
    """Returns the name of the file at a path or URL, without its folders.

    Example:
        >>> name_of_file("/images/a.jpg"), name_of_file("https://host/b.png?size=2")
        ('a.jpg', 'b.png')
    """
    return os.path.basename(path_of_url(place) if is_url(place) else place)


def relative_name(name: str, place: str) -> str:
    """Returns the path of an image relative to the folder in which it was found, with "/".

    Args:
        name: Path of its outputs without suffixes.
        place: Its path or URL.

    Example:
        >>> relative_name("cats/a", "/images/cats/a.jpg"), relative_name("view_1", "https://host/view?id=1")
        ('cats/a.jpg', 'view_1')
    """
    folder, last = posixpath.split(name)
    file = name_of_file(place)
    # The name of another output was made up: files of several links may be called alike.
    return posixpath.join(folder, file) if last in (file, PurePosixPath(file).stem) else name


def path_beside(place: str, output: Path, name: str) -> str:
    """Returns the path of an image relative to the folder of its outputs, with "/".

    Args:
        place: Path or URL of the image; of a URL it is the name of the file, or of its outputs where files of
            several links are called alike.
        output: The folder of the job.
        name: Path of its outputs without suffixes, relative to that folder.
    """
    if is_url(place):
        return posixpath.basename(relative_name(name, place))
    # The system goes up from where links lead.
    folder = os.path.join(os.path.realpath(output), os.path.dirname(name))
    return os.path.relpath(place, folder).replace(os.sep, "/")


def refuse_names_of_summaries(connection: sqlite3.Connection, suffix: str, summaries: Sequence[Path]) -> None:
    """Refuses an image with an output that would be one of the files about all images.

    Args:
        connection: A job's store.
        suffix: Suffix of an output of each image.
        summaries: The files about all images, in the folder of the job.

    Raises:
        DataError: If there is such an image.
    """
    for path in summaries:
        if path.suffix == suffix:
            row = connection.execute(
                "SELECT path FROM images WHERE name = ? AND kind = 'image'", (os.fsencode(path.stem),)
            ).fetchone()
            if row is not None:
                raise DataError(
                    f"{os.fsdecode(row['path'])}: would be labeled as {path.name}, which is a file about all "
                    "images. Rename the image, or write these outputs into separate folders."
                )


def name_outputs(connection: sqlite3.Connection, suffixes: Sequence[str]) -> None:
    """Chooses names for the images in `temp.found` so that no two outputs are the same file.

    Where names clash, all new images among them take their full name, and where these clash too, their long
    one, which differs from it for links alone. The name of an image that clashes with nothing depends neither
    on the order of the images nor on other images. Names in `images` and `folders` stay.

    Args:
        connection: A job's store with the table `temp.found(short, full, long, path, name, verdict)`;
            `name` is filled where `verdict` is "new".
        suffixes: Suffixes of all outputs, written by this job or not.

    Raises:
        DataError: If even the last names clash with each other or with a folder.
    """
    connection.execute("CREATE TEMP TABLE endings (ending BLOB, cut INTEGER)")
    connection.executemany(
        "INSERT INTO endings VALUES (?, ?)",
        [(suffix.encode(), len(VIDEO_MARK) * (suffix in FRAME_SUFFIXES)) for suffix in suffixes],
    )
    connection.execute("CREATE TEMP TABLE clashes (file BLOB PRIMARY KEY) WITHOUT ROWID")
    connection.execute("UPDATE temp.found SET name = short WHERE verdict = 'new'")
    # The full name of one image can be the short name of another, so repeat until nothing changes.
    while True:
        connection.execute("DELETE FROM clashes")
        connection.execute(
            "INSERT OR IGNORE INTO clashes SELECT path FROM folders UNION ALL SELECT file FROM ("
            f"SELECT {_FILE} AS file FROM ("
            "SELECT name FROM temp.found WHERE verdict = 'new' "
            f"UNION ALL SELECT name FROM images WHERE name IS NOT NULL), endings WHERE {_HAS_FILE}) "
            "GROUP BY file HAVING count(*) > 1"
        )
        changed = connection.execute(
            "UPDATE temp.found SET name = CASE WHEN name <> full THEN full ELSE long END "
            f"WHERE verdict = 'new' AND name <> long AND {_CLASHES}"
        )
        if not changed.rowcount:
            break
    wrong = connection.execute(
        "SELECT name FROM (SELECT name FROM temp.found WHERE verdict = 'new' "
        f"UNION ALL SELECT name FROM images WHERE name IS NOT NULL) WHERE {_CLASHES} ORDER BY name LIMIT 1"
    ).fetchone()
    if wrong is not None:
        paths = connection.execute(
            "SELECT path FROM temp.found WHERE name = :name "
            "UNION SELECT path FROM images WHERE name = :name ORDER BY path",
            {"name": wrong["name"]},
        )
        places = [shown_place(os.fsdecode(row["path"])) for row in paths]
        reason = "" if len(places) > 1 else ", beside a file or folder of that name"
        raise DataError(
            f"{' and '.join(places)}: would be labeled as {os.fsdecode(wrong['name'])}{suffixes[0]}{reason}. "
            "Label them into separate output folders."
        )
    connection.execute("DROP TABLE clashes")
    connection.execute("DROP TABLE endings")


# The ending of an output about frames of a video takes the place of the mark in the name of the video.
_FILE = "CAST(substr(name, 1, length(name) - cut) || ending AS BLOB)"
_HAS_FILE = f"(NOT cut OR substr(name, -{len(VIDEO_MARK)}) = CAST('{VIDEO_MARK}' AS BLOB))"
_CLASHES = f"EXISTS (SELECT 1 FROM endings WHERE {_HAS_FILE} AND {_FILE} IN (SELECT file FROM clashes))"
