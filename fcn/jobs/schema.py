"""The tables of a job's store."""

STORE_NAME = ".fcn-job.sqlite"
"""Name of a job's store in its output folder."""

VERSION = 4
"""Increased with each change of the tables; `migration.py` brings older ones up to date."""

KIND_COLUMN = "kind TEXT NOT NULL DEFAULT 'image' CHECK (kind IN ('image', 'video'))"
"""The column of version 4, as new stores and migrated ones have it."""

UNCHANGED = (
    "(:status = 'failed' AND hash IS NOT NULL AND (hash = :hash OR (:hash IS NULL "
    "AND (:size IS NULL OR (size = :size AND changed = :changed)))))"
)
"""What is true, in SQL, of an image that fails now, but is what was labeled before as far as that is known: a
file that cannot be read has no hash, and one that is too large is not read."""

LABELED_BEFORE = (
    "(status = 'failed' AND hash IS NOT NULL AND files IS NOT NULL AND coalesce(record, '{}') <> '{}')"
)
"""What is true of such an image later."""

SCHEMA = f"""
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE workers (
  name TEXT PRIMARY KEY, host TEXT NOT NULL, process INTEGER NOT NULL, began REAL NOT NULL,
  finished INTEGER NOT NULL DEFAULT 0, delegates INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE folders (path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE images (
  id INTEGER PRIMARY KEY,
  place BLOB NOT NULL UNIQUE,
  path BLOB NOT NULL,
  name BLOB UNIQUE,
  size INTEGER, changed INTEGER, hash TEXT,
  height INTEGER, width INTEGER, batch INTEGER,
  status TEXT NOT NULL CHECK (status IN ('waiting', 'doing', 'done', 'failed')),
  worker TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  lost INTEGER NOT NULL DEFAULT 0, blamed INTEGER NOT NULL DEFAULT 0,
  labeled INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0,
  seconds REAL, error TEXT, files TEXT, record TEXT,
  {KIND_COLUMN}
);
CREATE INDEX images_by_status ON images (status, lost, batch);
CREATE INDEX images_in_hand ON images (worker) WHERE status = 'doing';
"""
"""The statements that make the tables, separated by semicolons."""

# Columns of workers:
#   delegates: whether other processes label images for it.
# Columns of images:
#   place: absolute path or URL; path: as the user wrote it. Both are the bytes that the system knows, which
#     need not be valid text.
#   name: path of its outputs without suffixes, relative to the output folder; NULL if it cannot be used.
#   changed: when the file was changed, in nanoseconds.
#   attempts: how often it was claimed; labeled: how often it was finished.
#   lost: crash count, how often its worker crashed or was killed.
#   blamed: solo crash count, how often that worker had finished nothing and had nothing else in hand.
#   gone: whether it was deleted after it was labeled.
#   files: sizes of its outputs by suffix, as JSON.
#   kind: what it is; a video is a batch of its own.
