"""What the processes of a job decide together between two calls into TensorFlow.

Their collective operations have to match, so all take as many steps a call, skip the
same records, and end at the same step if one of them is asked to.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from trainer.data.bad_records import BadRecords
from trainer.training.interruption import Interrupted, Interruption

ItemT = TypeVar("ItemT")


class Talk(Protocol):
    """How processes speak; see team.Team."""

    is_alone: bool

    def gather(self, value: Any) -> list[Any]:
        """What each process says, the chief first; waits for all."""


class Agreement:
    """Interruption and pace of all processes of a job; alone, of this one."""

    def __init__(
        self,
        team: Talk,
        interruption: Interruption,
        bad_records: Mapping[str, BadRecords],
    ) -> None:
        """Asks nobody yet.

        Args:
            team: The processes.
            interruption: Of this one.
            bad_records: Those of each split, by its name; all processes get to know
                what one of them finds.
        """
        self._team = team
        self._interruption = interruption
        self._bad_records = bad_records
        self._told = {split: set[tuple[str, int]]() for split in bad_records}

    def check(self) -> None:
        """Raises Interrupted, on all processes at once, if one got a signal."""
        if self._team.is_alone:
            self._interruption.check()
            return
        answers = self._team.gather(
            {"signal": self._interruption.received, "bad": self._news()}
        )
        for answer in answers:
            for split, found in answer["bad"].items():
                self._bad_records[split].restore(found)
        signals = [one["signal"] for one in answers if one["signal"] is not None]
        if signals:
            raise Interrupted(signals[0])

    def watch(self, items: Iterable[ItemT]) -> Iterator[ItemT]:
        """Passes items on, checking before each."""
        for item in items:
            self.check()
            yield item

    def agree_on_steps(self, num_steps: int) -> int:
        """The lowest number of steps that a process would take."""
        return min(self._team.gather(num_steps))

    def _news(self) -> dict[str, list[dict[str, Any]]]:
        """Bad records that the others may not know of."""
        news = {}
        for split, bad in self._bad_records.items():
            told = self._told[split]
            fresh = [one for one in bad.export() if _key(one) not in told]
            told.update(map(_key, fresh))
            if fresh:
                news[split] = fresh
        return news


def _key(record: Mapping[str, Any]) -> tuple[str, int]:
    return record["path"], record["record"]
