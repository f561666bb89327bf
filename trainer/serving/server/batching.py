"""Pictures of concurrent requests, put together to batches for the model.

Owns the queue and the threads that run the model. Knows neither HTTP nor TensorFlow.
"""

import collections
import concurrent.futures
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


class QueueFullError(Exception):
    """As much waits as may wait; nothing of the request was taken."""


class ClosedError(Exception):
    """The batcher ends; nothing of the request was taken."""


class Batcher(Generic[ItemT, AnswerT]):
    """Answers requests of one or more items, many at once; safe to use from threads.

    While batches run, the next one gathers: it is what waits when a worker is free, or
    its share of that where several are. Nothing pads it, and nothing waits for an idle
    worker (docs/adr/0015-serving-in-batches.md, 0040-parallel-batches.md).
    """

    def __init__(
        self,
        predict: Callable[[Sequence[ItemT]], Sequence[AnswerT]],
        *,
        num_workers: int,
        max_batch_size: int,
        max_queue: int,
    ) -> None:
        """Starts the threads.

        Args:
            predict: Gives one answer for each item, in order; called by as many threads
                at once as there are workers.
            num_workers: Batches that run at once.
            max_batch_size: Items that `predict` is given at most.
            max_queue: Items that may wait.
        """
        self._predict = predict
        self._max_batch_size = max_batch_size
        self._max_queue = max_queue
        self._changed = threading.Condition()
        self._waiting: collections.deque[tuple[_Request, int]] = collections.deque()
        self._num_idle = 0
        self._is_closed = False
        # An executor, since it hands on whatever is raised.
        self._model = concurrent.futures.ThreadPoolExecutor(num_workers, "model")
        self._threads = [
            threading.Thread(target=self._run, name=f"batches-{number}")
            for number in range(num_workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def num_waiting(self) -> int:
        """Items that no batch has taken yet."""
        return len(self._waiting)

    def submit(
        self, items: Sequence[ItemT]
    ) -> concurrent.futures.Future[list[AnswerT]]:
        """Takes a request on.

        Args:
            items: One or more; they may end up in several batches.

        Returns:
            The answers in the items' order, or what `predict` raised for one of them.

        Raises:
            QueueFullError: If not all of them may wait.
            ClosedError: After `close`.
        """
        request = _Request(items)
        with self._changed:
            if self._is_closed:
                raise ClosedError
            if len(self._waiting) + len(items) > self._max_queue:
                raise QueueFullError
            self._waiting.extend((request, number) for number in range(len(items)))
            self._changed.notify(len(items))
        return request.future

    def close(self) -> None:
        """Refuses what comes from now on, and waits until all else is answered."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._model.shutdown()

    def _run(self) -> None:
        while batch := self._take():
            items = [request.items[number] for request, number in batch]
            done = self._model.submit(self._predict, items)
            error = done.exception()
            answers = [None] * len(batch) if error else done.result()
            for (request, number), answer in zip(batch, answers, strict=True):
                request.put(number, answer, error)

    def _take(self) -> "list[tuple[_Request, int]]":
        """Waits for a batch; an empty one is the end."""
        with self._changed:
            self._num_idle += 1
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            share = math.ceil(len(self._waiting) / self._num_idle)
            self._num_idle -= 1
            size = min(share, self._max_batch_size)
            return [self._waiting.popleft() for _ in range(size)]


class _Request:
    """Items of one request and the answers that are there so far."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.future: concurrent.futures.Future[list[Any]] = concurrent.futures.Future()
        # A client that went away must not cancel what is in a batch.
        self.future.set_running_or_notify_cancel()
        self._answers: list[Any] = [None] * len(items)
        self._num_missing = len(items)
        self._error: BaseException | None = None
        self._lock = threading.Lock()

    def put(self, number: int, answer: Any, error: BaseException | None) -> None:
        """Keeps one answer; the last one that was missing finishes the request."""
        self._answers[number] = answer
        with self._lock:
            self._error = self._error or error
            self._num_missing -= 1
            if self._num_missing:
                return
        if self._error:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._answers)
