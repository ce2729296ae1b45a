"""Starts the program that decodes images, with its end of a socket."""

import os
import socket
import subprocess
import sys

_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from fcn.data.decoder_program import main; main()"
# So that NumPy reserves no memory for threads that would do nothing.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def start_program(connection: socket.socket) -> "subprocess.Popen[bytes]":
    """Starts the process with an open socket.

    Raises:
        OSError: If the system starts no further process.
    """
    environment = os.environ | _ENVIRONMENT
    if sys.platform != "win32":
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, str(connection.fileno()), *sys.path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[connection.fileno()],
            env=environment,
        )
    # Windows gives a socket to one process, by its id. In a virtual environment, `sys.executable` only starts
    # another process.
    process = subprocess.Popen(
        [getattr(sys, "_base_executable", sys.executable), "-P", "-c", _PROGRAM, "-", *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    with process.stdin:
        process.stdin.write(connection.share(process.pid))
    return process
