"""What a server counts, in the format of Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Type of what `Metrics.text` returns."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters and clocks of one server; several servers in one process count apart.

    Attributes:
        requests: Requests, by protocol ("tensorflow", "v2", "segment", "page", ...) and status.
        request_seconds: From the first byte of a request to the last of its answer, by protocol.
        queue_images: Images that were accepted and are not answered yet.
        images: Images that were labeled.
        batch_images: Images in a batch.
        engine_seconds: How long the engine took for a batch.
        decode_seconds: How long an image took to decode.
        version: The version of the model that answers.
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
        self.version = Gauge("fcn_model_version", "Version of the model that answers.", registry=registry)

    def text(self) -> bytes:
        """Returns all of it, as Prometheus reads it.

        Example:
            >>> b"fcn_queue_images 0.0" in Metrics().text()
            True
        """
        return generate_latest(self._registry)
