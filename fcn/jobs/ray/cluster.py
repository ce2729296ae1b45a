"""Starts Ray on this machine or connects to a cluster, quietly and in bounded time."""

import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any, NamedTuple

from fcn.errors import BackendError
from fcn.system.optional import import_optional
from fcn.system.stderr import stderr_held_back

LOCAL = "local"
"""The address that means a new cluster on this machine, for one job."""

_CONNECT_SECONDS = 5
_CPUS_PER_ACTOR = 4
"""More hardly make an image faster; fewer need more copies of the net than most machines have memory for."""
# Ray speaks HTTP/2. A client begins with this and empty settings; the answer is settings: RFC 9113, 3.4.
_SETTINGS_FRAME = b"\x04"
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + _SETTINGS_FRAME + b"\0" * 5
_LOCAL_STORE_BYTES = 1 << 30
"""Memory for results that wait to be written; the rest is kept on disk."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # also for this process, where Ray's own code writes to stderr
    # Avoids a warning; GPUs stay hidden from actors that have none.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}


class Share(NamedTuple):
    """The division of a cluster among actors.

    Attributes:
        actors: Number of processes that label, each with a copy of the net.
        cpus: CPUs of each, at least 1; threads too, where it has no GPU.
        gpus: GPUs of each, 0 or 1.
    """

    actors: int
    cpus: int
    gpus: int


@contextmanager
def open_cluster(address: str) -> Iterator[None]:
    """Starts Ray, or connects to it, while the block runs.

    A local cluster listens on the loopback interface only, requires a token, and leaves neither processes nor
    files. Usage reports are off.

    Args:
        address: `LOCAL`; or "HOST:PORT" of a cluster that this machine is part of.

    Raises:
        BackendError: If Ray is not installed, or the cluster cannot be reached.
    """
    local = {
        # Despite its name, this makes all addresses 127.0.0.1 on any system.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    with ExitStack() as stack:
        stack.enter_context(_environment(_QUIET | (local if address == LOCAL else {})))
        with stderr_held_back():
            ray = _import_ray()
        options: dict[str, Any] = {"address": address}
        if address == LOCAL:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="fcn-", ignore_cleanup_errors=True)
            )
            options |= {"_temp_dir": folder, "object_store_memory": _LOCAL_STORE_BYTES}
        else:
            _check_reachable(address)
        # Ray prints about actors regardless of its logging options; nothing else is printed meanwhile.
        stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w", encoding="utf-8"))))
        stack.callback(ray.shutdown)
        with _restore_sigterm(), stderr_held_back():
            failure = _start(ray, options)
        if failure:
            where = "start Ray on this machine" if address == LOCAL else f"reach Ray at {address}"
            raise BackendError(f"--ray: cannot {where} ({reason(failure)}). {_REMEDY[address == LOCAL]}")
        yield


_REMEDY = {
    True: "Check that the folder for temporary files has space and a short path.",
    False: "Start it (ray start --head; then ray start --address=HOST:PORT on each other machine), and run "
    "this command on one of these machines.",
}


def share_out(nodes: list[Mapping[str, float]], actors: int | None) -> Share:
    """Chooses the number of actors and their CPUs and GPUs.

    The default is one actor for each GPU; without GPUs, one for every four CPUs of a machine, or one for all
    of them if it has fewer.

    Args:
        nodes: Resources of each machine, "CPU" and "GPU" among them.
        actors: How many actors to have; None for the default.

    Raises:
        BackendError: If the cluster has fewer GPUs than actors, or without GPUs fewer CPUs.

    Example:
        >>> share_out([{"CPU": 16.0}, {"CPU": 8.0}], None)
        Share(actors=6, cpus=4, gpus=0)
        >>> share_out([{"CPU": 2.0}], 2)
        Share(actors=2, cpus=1, gpus=0)
    """
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    cpus = [count for node in nodes if (count := int(node.get("CPU", 0)))]
    most = gpus or sum(cpus)
    if not cpus or (actors or 1) > most:
        kind = "GPUs" if gpus else "CPUs"
        raise BackendError(
            f"--actors {actors or 1}: the cluster has {most} {kind}, and each actor needs one. Give a "
            "lower number, or add machines."
        )
    if gpus:
        return Share(actors or gpus, 1, 1)
    if actors is None:
        each = min(_CPUS_PER_ACTOR, *cpus)
        return Share(sum(count // each for count in cpus), each, 0)
    # The most CPUs that every actor can have, on machines of any sizes.
    each = max(size for size in range(1, max(cpus) + 1) if sum(count // size for count in cpus) >= actors)
    return Share(actors, each, 0)


def cluster_share(actors: int | None) -> Share:
    """Returns the division of the open cluster among actors.

    Raises:
        BackendError: If it has fewer GPUs than actors, or without GPUs fewer CPUs.
    """
    ray = _import_ray()
    return share_out([node["Resources"] for node in ray.nodes() if node["Alive"]], actors)


def reason(error: BaseException) -> str:
    r"""Returns the first and the last line of an error of Ray, which often is a page long.

    Example:
        >>> reason(RuntimeError("it broke.\n  at line 1\nKeyError: 3"))
        'it broke. ... KeyError: 3'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    ends = dict.fromkeys([lines[0], lines[-1]])
    return " ... ".join(end[:300] for end in ends).rstrip(".")


def _start(ray: Any, options: Mapping[str, Any]) -> Exception | None:
    """Starts or connects to Ray; returns the error if that fails."""
    try:
        ray.init(**options, include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        return error
    return None


def _import_ray() -> Any:
    return import_optional("ray", "--ray", "distributed")


def _check_reachable(address: str) -> None:
    """Checks in seconds that Ray answers at an address; Ray itself takes minutes to notice that it does not.

    Raises:
        BackendError: If nothing answers there, or something that is not Ray.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _CONNECT_SECONDS) as connection:
            if "RAY_USE_TLS" not in os.environ:
                connection.sendall(_GREETING)
                if connection.recv(len(_GREETING))[3:4] != _SETTINGS_FRAME:
                    raise OSError("another program has this port")
    except (OSError, OverflowError) as error:
        raise BackendError(f"--ray {address}: Ray does not answer ({error}). {_REMEDY[False]}") from error


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables while the block runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _restore_sigterm() -> Iterator[None]:
    """Restores the SIGTERM handler that Ray replaces; while Ray starts, SIGTERM stops Ray and the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        sys.exit(128 + signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, handler)
