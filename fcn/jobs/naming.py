"""Names the outputs of each image: `FOLDER/STEM`, or `FOLDER/NAME.EXT` if names clash."""

import os
import sqlite3
from collections.abc import Sequence

from fcn.errors import DataError
from fcn.jobs.sources.links import shown_place


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
    connection.execute("CREATE TEMP TABLE endings (ending BLOB)")
    connection.executemany("INSERT INTO endings VALUES (?)", [(suffix.encode(),) for suffix in suffixes])
    connection.execute("CREATE TEMP TABLE clashes (file BLOB PRIMARY KEY) WITHOUT ROWID")
    connection.execute("UPDATE temp.found SET name = short WHERE verdict = 'new'")
    # The full name of one image can be the short name of another, so repeat until nothing changes.
    while True:
        connection.execute("DELETE FROM clashes")
        connection.execute(
            "INSERT OR IGNORE INTO clashes SELECT path FROM folders UNION ALL SELECT file FROM ("
            "SELECT CAST(name || ending AS BLOB) AS file FROM ("
            "SELECT name FROM temp.found WHERE verdict = 'new' "
            "UNION ALL SELECT name FROM images WHERE name IS NOT NULL), endings) "
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


_CLASHES = "EXISTS (SELECT 1 FROM endings WHERE CAST(name || ending AS BLOB) IN (SELECT file FROM clashes))"
