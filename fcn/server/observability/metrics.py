"""Metrics of the server in the Prometheus text format."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of `Metrics.text`."""

SUCCESS, FAILURE = "success", "failure"
"""Outcomes of requests to label images."""

LAST_INFERENCE = ("fcn_last_inference_timestamp_seconds",)
"""Key of the time of the last answer in `Metrics.values`, in seconds since 1970; 0 before the first."""

Values = Mapping[tuple[str, ...], float]
"""Values by the name of a sample and its labels, such as `("fcn_images_total",)`."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Metrics of one server; several servers in one process have separate ones.

    Attributes:
        requests: Requests, by protocol ("tensorflow", "v2", "segment", "page", ...) and status.
        request_seconds: Time from the first byte of a request to the last of its response, by protocol.
        queue_images: Images that are accepted and not answered yet.
        images: Labeled images.
        batch_images: Images in a batch.
        engine_seconds: Time of the engine for a batch.
        batch_seconds: The same by the number of images in the batch.
        queue_seconds: Time that an image waits for the engine.
        decode_seconds: Time to decode an image.
        encode_seconds: Time to encode the answer for an image.
        inference_seconds: Time of a request to label images, by outcome.
        last_inference: Time at which the last of them was answered.
        version: Served version of the model.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter("fcn_requests", "Requests.", ("protocol", "status"), registry=registry)
        self.request_seconds = Histogram(
            "fcn_request_seconds", "Time of a request.", ("protocol",), buckets=_SECONDS, registry=registry
        )
        self.queue_images = Gauge("fcn_queue_images", "Images accepted, not answered yet.", registry=registry)
        self.images = Counter("fcn_images", "Images labeled.", registry=registry)
        self.batch_images = Histogram(
            "fcn_batch_images", "Images in a batch.", buckets=_IMAGES, registry=registry
        )
        self.engine_seconds = Histogram(
            "fcn_engine_seconds", "Time of the engine for a batch.", buckets=_SECONDS, registry=registry
        )
        self.batch_seconds = Summary(
            "fcn_batch_seconds", "Time of the engine for a batch.", ("images",), registry=registry
        )
        self.queue_seconds = Histogram(
            "fcn_queue_seconds", "Time waiting for the engine.", buckets=_SECONDS, registry=registry
        )
        self.decode_seconds = Histogram(
            "fcn_decode_seconds", "Time to decode an image.", buckets=_SECONDS, registry=registry
        )
        self.encode_seconds = Histogram(
            "fcn_encode_seconds", "Time to encode an answer.", buckets=_SECONDS, registry=registry
        )
        self.inference_seconds = Summary(
            "fcn_inference_seconds", "Time of a request to label images.", ("outcome",), registry=registry
        )
        self.last_inference = Gauge(*LAST_INFERENCE, "Time of the last answer.", registry=registry)
        self.version = Gauge("fcn_model_version", "Served version of the model.", registry=registry)

    def values(self) -> Values:
        """Returns the value of each sample.

        Example:
            >>> Metrics().values()["fcn_images_total",]
            0.0
        """
        samples = (sample for family in self._registry.collect() for sample in family.samples)
        return {(sample.name, *sample.labels.values()): sample.value for sample in samples}

    def text(self) -> bytes:
        """Returns all metrics in the Prometheus text format.

        Example:
            >>> b"fcn_queue_images 0.0" in Metrics().text()
            True
        """
        return generate_latest(self._registry)
