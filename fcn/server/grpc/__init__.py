"""gRPC beside HTTP. Only `fcn serve --grpc-port` imports it, since it needs grpcio."""

import os

# Before the first import of grpc: its own log is not JSON, and a client's mistakes would write lines into it.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
