"""gRPC is imported only where it is asked for."""

import subprocess
import sys

CODE = """
import sys
import fcn.cli.serve, fcn.server.app, fcn.server.listening, fcn.server.service
print([name for name in sys.modules if name.startswith(("grpc", "fcn.server.grpc"))])
"""


def test_a_server_without_a_port_for_grpc_does_not_import_it() -> None:
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
