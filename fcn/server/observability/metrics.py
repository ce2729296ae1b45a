"""Metrics of the server in the Prometheus text format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of `Metrics.text`."""

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
        decode_seconds: Time to decode an image.
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
        self.decode_seconds = Histogram(
            "fcn_decode_seconds", "Time to decode an image.", buckets=_SECONDS, registry=registry
        )
        self.version = Gauge("fcn_model_version", "Served version of the model.", registry=registry)

    def text(self) -> bytes:
        """Returns all metrics in the Prometheus text format.

        Example:
            >>> b"fcn_queue_images 0.0" in Metrics().text()
            True
        """
        return generate_latest(self._registry)
