"""A Python that is ready: it has imported TensorFlow, and a fork of it does what a new Python would do.

    ready_python_program.py serve NUMBER         imports, then forks for each who asks at this open socket
    ready_python_program.py SOCKET -m fcn ...    as `python -m fcn ...`, or -c CODE, with -u before if wanted

The program at the socket has the arguments, folder, environment, standard streams and exit status of the one
that asks for it. Signals reach it, and it ends with the one that asks.
"""

import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from types import ModuleType

STREAMS = 3


def ask(place: str, words: list[str]) -> int:
    """Runs a program in a fork, in the place of this one; returns its exit status, negative for a signal."""
    request = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(place)
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [*range(STREAMS)])
        with connection.makefile() as answers:
            child = int(answers.readline())
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda number, _: os.kill(child, number))
            return int(answers.readline())


def serve(number: int) -> dict[str, object]:
    """Forks for each request at a socket; returns the request, in the fork that is to run its program.

    It ends when stdin does, which is a pipe from the process that started it.
    """
    with socket.socket(fileno=number) as listening:
        _import_all()
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            connection, _ = listening.accept()
            _reap()
            with connection:
                if not os.fork():
                    listening.close()
                    return _attend(connection)
    _reap()
    os._exit(0)


def _reap() -> None:
    """Waits for forks that have ended: only then is their time of CPU counted."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _import_all() -> None:
    """Imports what most commands do, but opens no devices: a fork that has them cannot compute."""
    import gc

    import lean_keras  # noqa: F401  # first, for what follows

    import fcn.evaluation.evaluation
    import fcn.exports.export
    import fcn.inference.predictor
    import fcn.jobs.label_images
    import fcn.slimming.slim
    import fcn.training.loop  # noqa: F401

    gc.freeze()
    sys.stdout.flush()  # or each fork would print it once more


def _attend(connection: socket.socket) -> dict[str, object]:
    """Forks once more, and waits for the end of that program; returns in the program itself."""
    text, streams, _, _ = socket.recv_fds(connection, 1 << 16, STREAMS)
    while not text.endswith(b"\n"):
        if not (part := connection.recv(1 << 16)):
            os._exit(1)  # the one that asks was killed
        text += part
    child = os.fork()
    if not child:
        connection.close()
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return json.loads(text)
    for stream in streams:
        os.close(stream)
    connection.sendall(f"{child}\n".encode())
    threading.Thread(target=_end_with, args=(connection, child), daemon=True).start()
    _, status = os.waitpid(child, 0)
    with suppress(OSError):  # the one that asked may have been killed
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _end_with(connection: socket.socket, child: int) -> None:
    """Waits for the end of the one that asks, and then kills what it asked for, and all that this started."""
    connection.recv(1)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def become(request: dict) -> None:
    """Runs a program in this process."""
    # Those that are open know of their files whether they are a terminal, and have a place.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        options = {"encoding": old.encoding, "errors": old.errors, "closefd": False}
        new = os.fdopen(number, "r" if name == "stdin" else "w", **options)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    sys.stderr.reconfigure(line_buffering=True)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    paths = filter(None, request["environment"].get("PYTHONPATH", "").split(os.pathsep))
    sys.path[1:1] = [path for path in paths if path not in sys.path]
    words = request["words"]
    sys.orig_argv = ["python", *words]
    if words[0] == "-u":
        words = words[1:]
        sys.stdout.reconfigure(write_through=True)
    kind, program, *arguments = words
    if kind == "-m":
        sys.argv, sys.path[0] = [program, *arguments], os.getcwd()
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = ["-c", *arguments], ""
        sys.modules["__main__"] = module = ModuleType("__main__")
        exec(compile(program, "<string>", "exec"), vars(module))


def main() -> None:
    """Does what the first words ask for."""
    if sys.argv[1] == "serve":
        become(serve(int(sys.argv[2])))
        return
    status = ask(sys.argv[1], sys.argv[2:])
    if status < 0:
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    main()
