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
"""Values by the name of a sample and its labels other than the model, such as `("fcn_images_total",)`."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_MODEL = "model"
"""Label with the name of the model."""

_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Metrics of one server; several servers in one process have separate ones.

    Attributes:
        requests: Requests, by protocol ("tensorflow", "v2", "segment", "page", "v2-grpc", ...) and status, of
            gRPC its name.
        request_seconds: Time from the first byte of a request to the last of its response, by protocol.
        queue_images: Images that are accepted and not answered yet, of all models.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter("fcn_requests", "Requests.", ("protocol", "status"), registry=registry)
        self.request_seconds = Histogram(
            "fcn_request_seconds", "Time of a request.", ("protocol",), buckets=_SECONDS, registry=registry
        )
        self.queue_images = Gauge("fcn_queue_images", "Images accepted, not answered yet.", registry=registry)
        self._families = _ModelFamilies(registry)

    def of_model(self, name: str) -> "ModelMetrics":
        """Returns the metrics of a model."""
        return ModelMetrics(self._registry, self._families, name)

    def text(self) -> bytes:
        """Returns all metrics in the Prometheus text format.

        Example:
            >>> b"fcn_queue_images 0.0" in Metrics().text()
            True
        """
        return generate_latest(self._registry)


class _ModelFamilies:
    """Metrics that each model has, with its name as their first label."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.images = Counter("fcn_images", "Images labeled.", (_MODEL,), registry=registry)
        self.batch_images = Histogram(
            "fcn_batch_images", "Images in a batch.", (_MODEL,), buckets=_IMAGES, registry=registry
        )
        self.engine_seconds = self._histogram("engine", "Time of the engine for a batch.", registry)
        self.batch_seconds = Summary(
            "fcn_batch_seconds", "Time of the engine for a batch.", (_MODEL, "images"), registry=registry
        )
        self.queue_seconds = self._histogram("queue", "Time waiting for the engine.", registry)
        self.decode_seconds = self._histogram("decode", "Time to decode an image.", registry)
        self.encode_seconds = self._histogram("encode", "Time to encode an answer.", registry)
        self.inference_seconds = Summary(
            "fcn_inference_seconds",
            "Time of a request to label images.",
            (_MODEL, "outcome"),
            registry=registry,
        )
        self.last_inference = Gauge(*LAST_INFERENCE, "Time of the last answer.", (_MODEL,), registry=registry)
        self.version = Gauge(
            "fcn_model_version", "Served version of the model.", (_MODEL,), registry=registry
        )

    @staticmethod
    def _histogram(step: str, text: str, registry: CollectorRegistry) -> Histogram:
        return Histogram(f"fcn_{step}_seconds", text, (_MODEL,), buckets=_SECONDS, registry=registry)


class ModelMetrics:
    """Metrics of one model of a server; in the text, they have its name as the label `model`.

    Args:
        registry: Registry of the server's metrics.
        families: The metrics of all models.
        name: Name of the model.

    Attributes:
        images: Labeled images.
        batch_images: Images in a batch.
        engine_seconds: Time of the engine for a batch.
        queue_seconds: Time that an image waits for the engine.
        decode_seconds: Time to decode an image.
        encode_seconds: Time to encode the answer for an image.
        last_inference: Time at which the last request to label images was answered.
        version: Served version of the model.
    """

    def __init__(self, registry: CollectorRegistry, families: _ModelFamilies, name: str) -> None:
        self._registry, self._families, self._name = registry, families, name
        self.images = families.images.labels(name)
        self.batch_images = families.batch_images.labels(name)
        self.engine_seconds = families.engine_seconds.labels(name)
        self.queue_seconds = families.queue_seconds.labels(name)
        self.decode_seconds = families.decode_seconds.labels(name)
        self.encode_seconds = families.encode_seconds.labels(name)
        self.last_inference = families.last_inference.labels(name)
        self.version = families.version.labels(name)

    def batch_seconds(self, images: int) -> Summary:
        """Returns the time of the engine for a batch of so many images."""
        return self._families.batch_seconds.labels(self._name, str(images))

    def inference_seconds(self, outcome: str) -> Summary:
        """Returns the time of requests to label images with an outcome, `SUCCESS` or `FAILURE`."""
        return self._families.inference_seconds.labels(self._name, outcome)

    def values(self) -> Values:
        """Returns the value of each sample of the model.

        Example:
            >>> Metrics().of_model("fcn").values()["fcn_images_total",]
            0.0
        """
        samples = (sample for family in self._registry.collect() for sample in family.samples)
        return {
            (sample.name, *[value for label, value in sample.labels.items() if label != _MODEL]): sample.value
            for sample in samples
            if sample.labels.get(_MODEL) == self._name
        }
