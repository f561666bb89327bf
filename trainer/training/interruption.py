"""SIGTERM and Ctrl-C, met where the work done so far can be saved. No TensorFlow."""

import signal
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, Self, TypeVar

ItemT = TypeVar("ItemT")

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(BaseException):
    """The process was asked to end.

    No Exception: nothing on the way up may take it for an error and go on.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        # As a shell reports a process that ended by this signal.
        self.exit_code = 128 + signal_number


class Interruption:
    """Raises `Interrupted` on a signal: at once, or when `check` is next called.

    A second signal always raises at once.
    """

    def __init__(self) -> None:
        self._is_deferred = False
        self._received: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._previous[number] = signal.getsignal(number)
        self.listen()
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def listen(self) -> None:
        """Takes the signals, again if a library has taken them in between."""
        for number in SIGNALS:
            signal.signal(number, self._receive)

    @property
    def received(self) -> int | None:
        """The signal that came; None if there was none."""
        return self._received

    def defer(self) -> None:
        """From now on there is work to save: wait for `check`."""
        self._is_deferred = True

    def check(self) -> None:
        """Raises Interrupted if a signal came."""
        if self._received is not None:
            raise Interrupted(self._received)

    def watch(self, items: Iterable[ItemT]) -> Iterator[ItemT]:
        """Passes items on, checking before each."""
        for item in items:
            self.check()
            yield item

    def _receive(self, number: int, _: FrameType | None) -> None:
        is_second = self._received is not None
        self._received = number
        if is_second or not self._is_deferred:
            raise Interrupted(number)
