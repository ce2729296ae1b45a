"""Downloads published files over connections that break and from servers that send other files."""

import os
from pathlib import Path

import requests

from fcn.errors import DownloadError, OutputError
from fcn.system.download.check import check_file
from fcn.system.download.file import PublishedFile
from fcn.system.download.retry import DEFAULT_RETRY, RetryPolicy
from fcn.system.download.transfer import (
    PermanentError,
    Transfer,
    TransientError,
    UnreachableError,
    version_file,
)
from fcn.system.files import is_there, remove, remove_link
from fcn.system.text import print_notice

_CONTINUE = "Run the same command again: it continues where it stopped."
_GET_OTHERWISE = "Check the URL, or download the file in another way and give its path."


def download(
    file: PublishedFile,
    folder: Path,
    retry: RetryPolicy = DEFAULT_RETRY,
    advice: str = "",
    delete: str = "Delete it and run the same command again to download it.",
) -> Path:
    """Fetches a file, unless it is there, and checks what came.

    What has come so far lies in `NAME.part`; a later call resumes there, and so does the next server
    if one fails. Without a checksum only the same server can resume, and only if it tells by an ETag or a
    date that it has the same content as before.

    Args:
        file: The file to fetch.
        folder: Where to write it.
        retry: When to give up on a server.
        advice: What to do if no server has it, for the message; "" for whether trying again helps.
        delete: What to do if another file of its name is there, for the message.

    Returns:
        The path of the file.

    Raises:
        DownloadError: If no server has it, or another file of its name is there.
        OutputError: If the place cannot be written to or the disk is full.
    """
    path = folder / file.name
    if is_there(path):
        check_file(path, file, delete)
        return path
    part = path.with_name(f"{file.name}.part")
    problems = []
    may_continue = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_link(part)
        with requests.Session() as session:
            for url in file.urls:
                try:
                    Transfer(session, url, part, file, retry).run()
                except (TransientError, PermanentError) as error:
                    problems.append(f"  {url}: {error}")
                    may_continue |= isinstance(error, TransientError | UnreachableError)
                    if not isinstance(error, UnreachableError):
                        print_notice(f"{url}: {error}.")
                else:
                    os.replace(part, path)
                    remove(version_file(part))
                    return path
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}). Free space or choose a folder you may "
            "write to, then run the same command again: it resumes where it stopped."
        ) from error
    advice = advice or (_CONTINUE if may_continue else _GET_OTHERWISE)
    raise DownloadError(f"{path}: could not be downloaded.", *problems, advice)
