"""Lets the modules of `fcn` run as if this were Windows, in a process and in those that it starts.

Python imports this file when it starts, if this folder is in PYTHONPATH. With WINDOWS_LIKE=1 in the
environment

- `fcn` cannot import modules that Windows lacks, and names that it lacks in `os`, `signal` and `socket` are
  missing there; `sys.platform` and `os.name` are those of Windows;
- an open file can neither be removed, renamed nor replaced, nor a folder that holds one;
- links need a privilege that few have (junctions of folders do not), and folders cannot be opened;
- a file that is opened for reading is not synced, and a process inherits the standard files alone;
- an encoding must be named where text is read or written.

Packages of others see the system that is there: on Windows they have files of their own. Paths stay those of
this system.
"""

import ast
import errno
import fcntl
import importlib.machinery
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from types import CodeType, ModuleType
from typing import Any

MISSING_MODULES = frozenset({"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"})
_OF_OS = """
    chown fchmod fchown fdatasync fork forkpty getegid geteuid getgid getloadavg getpgid getuid getxattr
    killpg lchown memfd_create mkfifo nice pidfd_open posix_fadvise posix_fallocate posix_spawn pread pwrite
    register_at_fork sched_getaffinity sched_setaffinity setpgid setsid statvfs sync sysconf uname wait waitid
    O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK WNOHANG
"""
_OF_SIGNAL = """
    ITIMER_REAL SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGUSR1 SIGUSR2 SIG_BLOCK
    SIG_SETMASK SIG_UNBLOCK alarm getitimer pause pthread_kill pthread_sigmask setitimer sigwait
"""
MISSING_NAMES = {
    "os": {*_OF_OS.split()},
    "signal": {*_OF_SIGNAL.split()},
    "socket": {"AF_UNIX", "SO_REUSEPORT", "recv_fds", "send_fds"},
    "subprocess": set(),
    "sys": set(),
}


class StandIn(ModuleType):
    """A module of Python as `fcn` finds it on Windows."""

    def __init__(self, module: ModuleType, **others: Any) -> None:
        self.__dict__.update(_module=module, _others=others)

    def __getattr__(self, name: str) -> Any:
        if name in self._others:
            return self._others[name]
        if name in MISSING_NAMES[self._module.__name__]:
            raise AttributeError(f"module '{self._module.__name__}' has no attribute '{name}' on Windows")
        return getattr(self._module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._module, name, value)


class _Imports(ast.NodeTransformer):
    """Replaces the imports of modules that differ on Windows."""

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        return [self._replace(alias) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        if node.module in MISSING_MODULES:
            return _raise_missing(node.module)
        return node

    def _replace(self, alias: ast.alias) -> ast.stmt:
        if alias.name in MISSING_MODULES:
            return _raise_missing(alias.name)
        if alias.name in MISSING_NAMES:
            return ast.ImportFrom(
                "sitecustomize", [ast.alias(f"{alias.name}_there", alias.asname or alias.name)], 0
            )
        return ast.Import([alias])


def _raise_missing(name: str) -> ast.stmt:
    (raising,) = ast.parse(f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')").body
    return raising


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        tree = _Imports().visit(ast.parse(self.get_data(self.path)))
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != "fcn" and not fullname.startswith("fcn."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            spec.loader = _Loader(fullname, spec.origin)
        return spec


def _open(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)
    return os.open(path, flags, mode, **more)


def _fsync(file: Any) -> None:
    number = file if isinstance(file, int) else file.fileno()
    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")
    os.fsync(number)


class _Popen(subprocess.Popen):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        if options.get("pass_fds") or options.get("preexec_fn"):
            raise ValueError("pass_fds and preexec_fn are not supported on Windows")
        super().__init__(*arguments, **options)


class _Socket(socket.socket):
    """A socket that another process can get, as on Windows."""

    def share(self, process_id: int) -> bytes:
        """Returns bytes by which the process gets this socket."""
        place = os.path.join(tempfile.mkdtemp(), str(process_id))
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(place)
        listening.listen()
        threading.Thread(target=self._give, args=(listening, os.dup(self.fileno())), daemon=True).start()
        return place.encode()

    def _give(self, listening: socket.socket, number: int) -> None:
        with listening, listening.accept()[0] as other:
            socket.send_fds(other, [b"0"], [number])
        os.close(number)


def _fromshare(data: bytes) -> socket.socket:
    if int(os.path.basename(data)) != os.getpid():
        raise PermissionError(errno.EACCES, "shared with another process")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(data)
        _, (number,), _, _ = socket.recv_fds(connection, 1, 1)
    shutil.rmtree(os.path.dirname(data))
    return socket.socket(fileno=number)


def _socketpair() -> tuple[socket.socket, socket.socket]:
    one, other = (_Socket(fileno=one.detach()) for one in socket.socketpair())
    return one, other


def _refuse_open(function: Callable[..., Any]) -> Callable[..., Any]:
    """Lets a function refuse paths that are open, where `fcn` calls it."""

    def refusing(*arguments: Any, **options: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller in ("pathlib", "pathlib._local", "shutil") or caller.startswith("fcn."):
            opened = [_target(number) for number in os.listdir("/proc/self/fd")]
            for path in [os.path.abspath(os.fsdecode(one)) for one in arguments if not isinstance(one, int)]:
                if any(one == path or one.startswith(f"{path}/") for one in opened):
                    text = "The process cannot access the file because it is being used by another process"
                    raise PermissionError(errno.EACCES, text, path)
        return function(*arguments, **options)

    return refusing


def _target(number: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return ""


def _refuse_link(source: Any, target: Any, *_: Any, **__: Any) -> None:
    raise OSError(errno.EPERM, "A required privilege is not held by the client", os.fspath(target))


def _install() -> None:
    junctions = ModuleType("_winapi")
    junctions.CreateJunction = os.symlink
    sys.modules["_winapi"] = junctions
    for name in ("remove", "rename", "replace", "rmdir", "unlink"):
        setattr(os, name, _refuse_open(getattr(os, name)))
    os.symlink = _refuse_link
    shutil._use_fd_functions = False
    warnings.filterwarnings("error", category=EncodingWarning, module=r"fcn\.")
    sys.meta_path.insert(0, _Finder())


os_there = StandIn(os, name="nt", open=_open, fsync=_fsync)
signal_there = StandIn(signal)
socket_there = StandIn(socket, socketpair=_socketpair, fromshare=_fromshare)
subprocess_there = StandIn(subprocess, Popen=_Popen)
sys_there = StandIn(sys, platform="win32")

if os.environ.get("WINDOWS_LIKE") == "1":
    _install()
