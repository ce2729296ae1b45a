"""Asks for the health of a server with gRPC's own package, `ADDRESS SERVICE...`."""

import sys


def main(address, services):
    # Only the peers' environment has the second, and this file is also searched for examples elsewhere.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in services:
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
                print(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
            except grpc.RpcError as error:
                print(error.code().name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
