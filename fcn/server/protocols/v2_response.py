"""Responses of the Open Inference Protocol v2 as models, with Triton's statistics and index.

Source: https://github.com/kserve/open-inference-protocol and Triton's docs/protocol/extension_*.md.
"""

from typing import Any

from pydantic import BaseModel, NonNegativeInt


class ServerMetadata(BaseModel):
    """Name, version and extensions of the server."""

    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    """Liveness."""

    live: bool


class Ready(BaseModel):
    """Readiness; the specification has `live` here too, servers that implement it return `ready`."""

    live: bool
    ready: bool


class ModelReady(BaseModel):
    """Readiness of a model."""

    name: str
    ready: bool


class TensorMetadata(BaseModel):
    """Input or output of a model; -1 for any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """Inputs and outputs of a model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class OutputTensor(TensorMetadata):
    """Output of an answer; its data follow the JSON if it has the parameter `binary_data_size`."""

    parameters: dict[str, int | str] = {}
    data: Any = None


class InferResponse(BaseModel):
    """Answer to a request to infer."""

    model_name: str
    model_version: str
    id: str = ""
    outputs: list[OutputTensor]


class Duration(BaseModel):
    """How often a step was done, and its nanoseconds in total."""

    count: NonNegativeInt
    ns: NonNegativeInt


class InferenceStatistics(BaseModel):
    """Durations of requests, and of their steps."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


class BatchStatistics(BaseModel):
    """Durations of batches of one size."""

    batch_size: NonNegativeInt
    compute_infer: Duration


class ModelStatistics(BaseModel):
    """Statistics of a version of a model; the time of the last request is in milliseconds since 1970."""

    name: str
    version: str
    last_inference: NonNegativeInt
    inference_count: NonNegativeInt
    execution_count: NonNegativeInt
    inference_stats: InferenceStatistics
    batch_stats: list[BatchStatistics]


class StatisticsResponse(BaseModel):
    """Statistics of models."""

    model_stats: list[ModelStatistics]


class IndexEntry(BaseModel):
    """Version of a model in the index."""

    name: str
    version: str
    state: str
    reason: str
