"""Pictures of concurrent requests, put together to batches for the model.

Owns the queue and the threads that run the model. Knows neither HTTP nor TensorFlow.
"""

import collections
import concurrent.futures
import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")

# One batch is put together, and its answers are written, while another runs
# (docs/adr/0015-serving-in-batches.md).
NUM_RUNNING = 2


class QueueFullError(Exception):
    """As much waits as may wait; nothing of the request was taken."""


class ClosedError(Exception):
    """The batcher ends; nothing of the request was taken."""


class Batcher(Generic[ItemT, AnswerT]):
    """Answers requests of one or more items, many at once; safe to use from threads.

    A batch is what waits, up to `max_batch_size`; nothing pads it. It starts at once if
    nothing runs, else when it is full or `max_wait_secs` have passed.
    """

    def __init__(
        self,
        predict: Callable[[Sequence[ItemT]], Sequence[AnswerT]],
        *,
        max_batch_size: int,
        max_wait_secs: float,
        max_queue: int,
    ) -> None:
        """Starts the threads.

        Args:
            predict: Gives one answer for each item, in order; called from threads.
            max_batch_size: Items that `predict` is given at most.
            max_wait_secs: How long an item waits for others while `predict` runs.
            max_queue: Items that may wait.
        """
        self._predict = predict
        self._max_batch_size = max_batch_size
        self._max_wait_secs = max_wait_secs
        self._max_queue = max_queue
        self._changed = threading.Condition()
        self._waiting: collections.deque[tuple[_Request, int]] = collections.deque()
        self._num_running = 0
        self._is_closed = False
        self._pool = concurrent.futures.ThreadPoolExecutor(NUM_RUNNING, "model")
        self._thread = threading.Thread(target=self._dispatch, name="batches")
        self._thread.start()

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
            self._changed.notify()
        return request.future

    def close(self) -> None:
        """Refuses what comes from now on, and waits until all else is answered."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()
        self._pool.shutdown()

    def _dispatch(self) -> None:
        while batch := self._take():
            items = [request.items[number] for request, number in batch]
            running = self._pool.submit(self._predict, items)
            running.add_done_callback(functools.partial(self._deliver, batch))

    def _take(self) -> "list[tuple[_Request, int]]":
        """Waits for a batch; an empty one is the end."""
        with self._changed:
            self._changed.wait_for(self._may_begin)
            self._changed.wait_for(self._must_begin, self._max_wait_secs)
            size = min(len(self._waiting), self._max_batch_size)
            batch = [self._waiting.popleft() for _ in range(size)]
            self._num_running += 1
        return batch

    def _may_begin(self) -> bool:
        has_room = self._num_running < NUM_RUNNING
        return has_room and bool(self._waiting or self._is_closed)

    def _must_begin(self) -> bool:
        is_full = len(self._waiting) >= self._max_batch_size
        return is_full or not self._num_running or self._is_closed

    def _deliver(
        self,
        batch: "list[tuple[_Request, int]]",
        done: concurrent.futures.Future[Sequence[AnswerT]],
    ) -> None:
        """Hands each answer to its request; called in the thread that predicted."""
        error = done.exception()
        answers = [None] * len(batch) if error else done.result()
        with self._changed:
            self._num_running -= 1
            self._changed.notify()
            finished = [
                request
                for (request, number), answer in zip(batch, answers, strict=True)
                if request.put(number, answer, error)
            ]
        for request in finished:
            request.finish()


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

    def put(self, number: int, answer: Any, error: BaseException | None) -> bool:
        """Keeps one answer; True if it was the last that was missing."""
        self._answers[number] = answer
        self._error = self._error or error
        self._num_missing -= 1
        return not self._num_missing

    def finish(self) -> None:
        """Gives the answers to whom waits for them."""
        if self._error:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._answers)
