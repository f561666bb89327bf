"""What the server counts and times, for Prometheus."""

import prometheus_client as prometheus

CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST
# From one small picture on a fast machine to a full queue of large ones.
SECS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The numbers of one server.

    Attributes:
        requests: Requests for predictions, by HTTP status.
        request_secs: From a request's first byte to its answer.
        model_secs: One batch in the model.
        batch_size: Pictures in a batch.
        undecodable: Pictures that did not decode.
        waiting: Pictures that no batch has taken yet.
        ready: 1 once the model has answered, until the server ends.
    """

    def __init__(self) -> None:
        self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self._registry)
        self.requests = prometheus.Counter(
            "serve_requests",
            "Requests for predictions by HTTP status.",
            ["code"],
            registry=self._registry,
        )
        self.request_secs = self._histogram(
            "serve_request_seconds", "From a request's first byte to its answer.", SECS
        )
        self.model_secs = self._histogram(
            "serve_model_seconds", "Time of one batch in the model.", SECS
        )
        self.batch_size = self._histogram(
            "serve_batch_pictures", "Pictures in a batch.", BATCH_SIZES
        )
        self.undecodable = prometheus.Counter(
            "serve_undecodable_pictures",
            "Pictures that did not decode.",
            registry=self._registry,
        )
        self.waiting = self._gauge(
            "serve_waiting_pictures", "Pictures that no batch has taken yet."
        )
        self.ready = self._gauge(
            "serve_ready", "1 once the model has answered, until the server ends."
        )

    def format(self) -> bytes:
        """All numbers in Prometheus' text form."""
        return prometheus.generate_latest(self._registry)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...]
    ) -> prometheus.Histogram:
        return prometheus.Histogram(
            name, meaning, buckets=buckets, registry=self._registry
        )

    def _gauge(self, name: str, meaning: str) -> prometheus.Gauge:
        return prometheus.Gauge(name, meaning, registry=self._registry)
