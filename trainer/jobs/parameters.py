"""One tuned parameter: what it may be, and where a value lies between 0 and 1.

The searches work on the unit interval only; scale types are mapped here, exactly.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

from trainer.jobs.reader import entry

Value = float | int | str
Values = Mapping[str, Value]

TYPES = ("DOUBLE", "INTEGER", "CATEGORICAL", "DISCRETE")
LINEAR, LOG, REVERSE_LOG = (
    "UNIT_LINEAR_SCALE",
    "UNIT_LOG_SCALE",
    "UNIT_REVERSE_LOG_SCALE",
)
NO_SCALE = "NONE"
# Source: the API's reference, "discreteValues".
MAX_DISCRETE_VALUES = 1000
# Beyond it a number of 64 bits can't tell all integers apart.
MAX_INTEGER = 2**53


@dataclasses.dataclass(frozen=True)
class ParameterSpec:
    """An entry of trainingInput.hyperparameters.params, with the API's names."""

    parameter_name: str = entry("", required=True)
    type: str = entry("", required=True, choices=TYPES)
    min_value: float | None = entry()
    max_value: float | None = entry()
    categorical_values: tuple[str, ...] = entry(())
    discrete_values: tuple[float, ...] = entry(())
    scale_type: str = entry(NO_SCALE, choices=(NO_SCALE, LINEAR, LOG, REVERSE_LOG))
    line: int = dataclasses.field(default=0, compare=False)

    @property
    def options(self) -> Sequence[Value]:
        """All values, in order, of a parameter that has finitely many."""
        if self.type == "CATEGORICAL":
            return self.categorical_values
        if self.type == "DISCRETE":
            return self.discrete_values
        return range(int(self.low), int(self.high) + 1)

    @property
    def low(self) -> float:
        """The least value of one that has numbers."""
        if self.type == "DISCRETE":
            return self.discrete_values[0]
        assert self.min_value is not None
        return self.min_value

    @property
    def high(self) -> float:
        """The greatest value of one that has numbers."""
        if self.type == "DISCRETE":
            return self.discrete_values[-1]
        assert self.max_value is not None
        return self.max_value

    def edges(self) -> Sequence[Value]:
        """Values such that a flag which takes them takes all."""
        if self.type == "DOUBLE":
            return (self.low, self.high)
        if self.type == "INTEGER":
            return (int(self.low), int(self.high))
        return self.options

    def to_unit(self, value: Value) -> float:
        """Where a value lies on the parameter's scale, 0 to 1."""
        if self.type == "CATEGORICAL" or self._counts_options:
            return (self.options.index(value) + 0.5) / len(self.options)
        low, high = self._span
        # An end of the scale may come out beyond it by a rounding error.
        return min(max(_to_unit(float(value), low, high, self.scale_type), 0.0), 1.0)

    def from_unit(self, unit: float) -> Value:
        """The value at a place on the scale, 0 to 1."""
        if self.type == "CATEGORICAL" or self._counts_options:
            number = min(int(unit * len(self.options)), len(self.options) - 1)
            return self.options[number]
        if self.type == "DISCRETE":
            return min(self.options, key=lambda value: abs(self.to_unit(value) - unit))
        low, high = self._span
        value = _from_unit(unit, low, high, self.scale_type)
        value = min(max(value, self.low), self.high)
        return value if self.type == "DOUBLE" else round(value)

    def format(self, value: Value) -> str:
        """The value as the text of a flag."""
        if isinstance(value, float) and self.type == "DISCRETE" and value.is_integer():
            return str(int(value))
        return str(value)

    def parse(self, text: str) -> Value:
        """The value that `format` made a text of.

        Raises:
            ValueError: If it is none of this parameter's.
        """
        kinds = {"CATEGORICAL": str, "INTEGER": int}
        value: Value = kinds.get(self.type, float)(text)
        if self.type == "DOUBLE":
            is_inside = self.low <= float(value) <= self.high
        else:
            is_inside = value in self.options
        if not is_inside:
            raise ValueError(f"{self.parameter_name} can't be {text}")
        return value

    @property
    def _counts_options(self) -> bool:
        """True where each option has the same share of the unit interval."""
        return self.type == "DISCRETE" and self.scale_type == NO_SCALE

    @property
    def _span(self) -> tuple[float, float]:
        """The ends of the scale; each integer reaches half way to the next."""
        margin = 0.5 if self.type == "INTEGER" else 0.0
        return self.low - margin, self.high + margin

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each combination that can't work."""
        yield from self._problems_of_keys()
        if self.type in ("DOUBLE", "INTEGER"):
            yield from self._problems_of_range()
        elif self.type == "DISCRETE":
            yield from self._problems_of_discrete()
        elif len(set(self.categorical_values)) < len(self.categorical_values):
            yield "categoricalValues must differ from each other."

    def _problems_of_keys(self) -> Iterator[str]:
        """What a type needs, and what belongs to other types."""
        ranged = self.type in ("DOUBLE", "INTEGER")
        given = {
            "minValue": (self.min_value is not None, ranged),
            "maxValue": (self.max_value is not None, ranged),
            "categoricalValues": (
                bool(self.categorical_values),
                self.type == "CATEGORICAL",
            ),
            "discreteValues": (bool(self.discrete_values), self.type == "DISCRETE"),
        }
        for key, (is_given, is_needed) in given.items():
            if is_needed and not is_given:
                yield f"{self.type} needs {key}; add it."
            elif is_given and not is_needed:
                yield f"{self.type} takes no {key}; remove it, or correct type."
        if self.type == "CATEGORICAL" and self.scale_type != NO_SCALE:
            yield f"CATEGORICAL has no scale; remove scaleType {self.scale_type}."

    def _problems_of_range(self) -> Iterator[str]:
        if self.min_value is None or self.max_value is None:
            return
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            yield "minValue and maxValue must be finite numbers."
            return
        if not math.isfinite(self.high - self.low):
            yield "minValue and maxValue are too far apart for numbers of 64 bits."
        if self.low > self.high:
            yield (
                f"minValue must be at most maxValue, got {self.low:g} and "
                f"{self.high:g}; swap them."
            )
        if self.type == "INTEGER":
            yield from self._problems_of_integers()
        yield from self._problems_of_log("minValue")

    def _problems_of_integers(self) -> Iterator[str]:
        for key, value in (("minValue", self.low), ("maxValue", self.high)):
            if value % 1:
                yield f"{key} of an INTEGER must be an integer, got {value:g}."
            elif abs(value) > MAX_INTEGER:
                yield (
                    f"{key} of an INTEGER must be within {MAX_INTEGER} of 0, got "
                    f"{value:g}."
                )

    def _problems_of_discrete(self) -> Iterator[str]:
        values = self.discrete_values
        if not values:
            return
        if not all(map(math.isfinite, values)):
            yield "discreteValues must be finite numbers."
        if len(values) > MAX_DISCRETE_VALUES:
            yield (
                f"discreteValues may be {MAX_DISCRETE_VALUES} at most, got "
                f"{len(values)}."
            )
        if list(values) != sorted(set(values)):
            yield f"discreteValues must rise strictly, got {_join(values)}."
        yield from self._problems_of_log("the first of discreteValues")

    def _problems_of_log(self, what: str) -> Iterator[str]:
        if self.scale_type in (LOG, REVERSE_LOG) and self.low <= 0:
            yield (
                f"{self.scale_type} needs values above 0, got {self.low:g} as {what}; "
                f"raise it, or take {LINEAR}."
            )


def _to_unit(value: float, low: float, high: float, scale: str) -> float:
    if low == high:
        return 0.5
    if scale == LOG:
        span = _log_ratio(high, low)
        return _log_ratio(value, low) / span if span else 0.5
    if scale == REVERSE_LOG:
        # In this order nothing is lost at the upper end.
        return 1.0 - _to_unit(high - value + low, low, high, LOG)
    return (value - low) / (high - low)


def _from_unit(unit: float, low: float, high: float, scale: str) -> float:
    """The inverse of `_to_unit`.

    Source of the reverse scale: open-source Vizier, converters/core.py: the distance
    from the upper end, plus the lower one, is on a log scale.
    """
    if scale == LOG:
        return float(low ** (1.0 - unit) * high**unit)
    if scale == REVERSE_LOG:
        return high - _from_unit(1.0 - unit, low, high, LOG) + low
    return low + unit * (high - low)


def _log_ratio(value: float, low: float) -> float:
    """As a difference, since the quotient may be beyond the largest number."""
    return math.log(value) - math.log(low)


def _join(values: Sequence[Value]) -> str:
    return ", ".join(f"{value:g}" for value in values)
