"""One model under its name: being loaded, then answering, then closed. No HTTP."""

import concurrent.futures
import io
import time
from collections.abc import Sequence

from PIL import Image

from trainer import config, errors
from trainer.serving.predictor import Prediction, Predictor, Undecodable
from trainer.serving.server import batching
from trainer.serving.server.metrics import Metrics

Answer = Prediction | Undecodable


class NotReadyError(Exception):
    """The model has not answered yet, or is closed."""


class Service:
    """Answers once `open` was called and until `close` is.

    Attributes:
        name: The model's, in addresses.
        labels: Names of the classes in order; none before it is ready.
    """

    def __init__(self, job: config.ServeConfig, metrics: Metrics) -> None:
        self.name = job.model_name
        self.labels: list[str] = []
        self._job = job
        self._metrics = metrics
        self._batcher: batching.Batcher[bytes, Answer] | None = None
        metrics.waiting.set_function(lambda: self.num_waiting)

    @property
    def is_ready(self) -> bool:
        """True from the model's first answer until the end."""
        return self._batcher is not None

    @property
    def num_waiting(self) -> int:
        """Pictures that no batch has taken yet."""
        return self._batcher.num_waiting if self._batcher else 0

    def open(self, predictor: Predictor, *, num_workers: int) -> None:
        """Has the model answer for a picture of its own, then takes requests.

        Args:
            predictor: The model.
            num_workers: Batches that run at once, `--max_batch_size` at most; they
                share that.

        Raises:
            DataError: If there is no answer.
        """
        (answer,) = predictor.predict([_draw()])
        if isinstance(answer, Undecodable):
            raise errors.DataError(
                "The model must answer for a grey JPEG before it is served, but it "
                f"says that this {answer.reason}; export it again."
            )
        num_classes = len(answer.probabilities)
        self.labels = [predictor.name_class(index) for index in range(num_classes)]
        self._batcher = batching.Batcher(
            lambda encoded: self._predict(predictor, encoded),
            num_workers=num_workers,
            max_batch_size=self._job.max_batch_size // num_workers,
            max_queue=self._job.max_queue,
        )
        self._metrics.ready.set(1)

    def submit(
        self, encoded: Sequence[bytes]
    ) -> concurrent.futures.Future[list[Answer]]:
        """Takes the pictures of one request on; see Batcher.submit.

        Raises:
            NotReadyError: Before `open` and after `close`.
            QueueFullError: If not all of them may wait.
        """
        if self._batcher is None:
            raise NotReadyError
        try:
            return self._batcher.submit(encoded)
        except batching.ClosedError as error:
            raise NotReadyError from error

    def close(self) -> None:
        """Answers what waits, and takes nothing on any more."""
        self._metrics.ready.set(0)
        if self._batcher:
            self._batcher.close()

    def _predict(self, predictor: Predictor, encoded: Sequence[bytes]) -> list[Answer]:
        start = time.perf_counter()
        answers = predictor.predict(encoded)
        self._metrics.model_secs.observe(time.perf_counter() - start)
        self._metrics.batch_size.observe(len(encoded))
        bad = sum(isinstance(answer, Undecodable) for answer in answers)
        self._metrics.undecodable.inc(bad)
        return answers


def _draw() -> bytes:
    """A small grey JPEG."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "JPEG")
    return buffer.getvalue()
