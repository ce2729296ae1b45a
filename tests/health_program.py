"""Asks for the health of a server with gRPC's own package, `ADDRESS SERVICE...`."""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

address, *services = sys.argv[1:]
with grpc.insecure_channel(address) as channel:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in services:
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
            print(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
        except grpc.RpcError as error:
            print(error.code().name)
