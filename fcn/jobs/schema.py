"""The tables of a store."""

VERSION = 3
"""Raised with each change of the tables; a store of another version is refused."""

SCHEMA = """
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
  seconds REAL, error TEXT, files TEXT, record TEXT
);
CREATE INDEX images_by_status ON images (status, lost, batch);
CREATE INDEX images_in_hand ON images (worker) WHERE status = 'doing';
"""
"""The statements that make them, with a semicolon between two."""

# Columns of workers. delegates: whether other processes label images for it.
# Columns of images. place: where it is read, absolute; path: in the user's words; name: of its outputs,
# without their suffixes, relative to the output folder, NULL for what is no image; changed: when
# the file was, in nanoseconds; attempts: how often it was begun; lost: how often its worker went away without
# a word; blamed: how often that one had finished nothing, and had nothing else in hand; labeled: how often it
# was finished; gone: whether it was deleted after that; files: sizes of its outputs by suffix. Paths are the
# bytes that the system knows, which need not be text.
