import dataclasses

import pytest

from trainer.jobs import reader


@dataclasses.dataclass(frozen=True)
class Wheel:
    wheel_size: int = reader.entry(0, minimum=2, required=True)
    is_spare: bool = reader.entry(False)


@dataclasses.dataclass(frozen=True)
class Car:
    max_speed: float | None = reader.entry()
    colour: str = reader.entry("red", choices=("red", "blue"))
    wheels: tuple[Wheel, ...] = reader.entry(())
    tags: dict[str, str] | None = reader.entry()
    names: tuple[str, ...] = reader.entry(())
    line: int = dataclasses.field(default=0, compare=False)

    def problems(self):
        if self.max_speed == 13:
            yield "maxSpeed 13 is bad luck."


def read(text):
    problems = reader.Problems("car.yaml")
    node = reader.compose(text, "car.yaml", problems)
    car = reader.read_mapping(node, Car, "car", problems) if node else None
    return car, problems.sentences()


def test_all_kinds_of_values_are_read():
    car, problems = read(
        "maxSpeed: 1e2\ncolour: blue\nnames: [1.10, yes]\ntags: {a: 1}\n"
        "wheels:\n- wheelSize: '3'\n  isSpare: True\n- {wheelSize: 4}\n"
    )
    assert problems == []
    assert car == Car(
        100.0, "blue", (Wheel(3, True), Wheel(4, False)), {"a": "1"}, ("1.10", "yes")
    )
    assert car.line == 1


def test_a_key_without_a_value_counts_as_absent():
    assert read("maxSpeed:\ncolour: blue")[0] == Car(colour="blue")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("maxSped: 3", "line 1: unknown key maxSped in car; did you mean maxSpeed?"),
        ("\nzzz: 3", "line 2: unknown key zzz in car; it takes maxSpeed, colour,"),
        ("maxSpeed: fast", "line 1: car.maxSpeed must be a number, got 'fast'."),
        ("maxSpeed: [1]", "line 1: car.maxSpeed must be a number."),
        ("maxSpeed: 1\nmaxSpeed: 2", "line 2: maxSpeed is in car twice, first in line"),
        ("colour: bleu", "must be one of red, blue, got bleu; did you mean blue?"),
        ("colour: [red]", "line 1: car.colour must be one text."),
        ("wheels: 3", "line 1: car.wheels must be a list."),
        ("wheels: [3]", "line 1: car.wheels[0] must be a mapping of keys and values."),
        ("wheels:\n- isSpare: no", "line 2: car.wheels[0] lacks wheelSize; add it."),
        ("wheels:\n- wheelSize: 1", "wheels[0].wheelSize must be 2 or more, got 1."),
        ("wheels:\n- wheelSize: 2.5", "wheelSize must be an integer, got '2.5'."),
        (
            "wheels:\n- {wheelSize: 2, isSpare: perhaps}",
            "isSpare must be true or false, got 'perhaps'.",
        ),
        ("tags: 3", "line 1: car.tags must be a mapping of keys and values."),
        ("[1, 2]: 3", "line 1: car has a key that is no text."),
        ("- 1", "line 1: car must be a mapping of keys and values."),
        ("maxSpeed: 13", "line 1: car: maxSpeed 13 is bad luck."),
        ("a: [1", "line 1: this is no YAML ("),
        ("a: \x00", "line 1: this is no YAML ("),
        ("", "line 1: car.yaml is empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, sentence):
    _, (found,) = read(text)
    assert found.startswith("car.yaml, line ")
    assert sentence in found


def test_all_that_is_wrong_is_said_in_order_of_lines():
    _, problems = read("colour: bleu\nmaxSpeed: fast\nwheels:\n- isSpare: no\nzzz: 1\n")
    assert [one.split(":")[0][-1] for one in problems] == ["1", "2", "4", "5"]


def test_a_wrong_key_is_not_missed_as_well():
    _, problems = read("wheels: [{wheelSize: big}]")
    assert problems == [
        "car.yaml, line 1: car.wheels[0].wheelSize must be an integer, got 'big'."
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 2000, "line 1: this is nested too deeply for a config.yaml; correct"),
        ("{a: " * 2000, "line 1: this is nested too deeply for a config.yaml"),
        ("names: &a [*a]", "line 1: this has more than 100,000 values; write fewer."),
        # Which stands for a million.
        (
            f"names: &a [{'x, ' * 1000}]\nwheels: [{'*a, ' * 1000}]",
            "line 1: this has more than 100,000 values; write fewer.",
        ),
        (f"wheels: [wheelSize: {'9' * 30}]", "wheels[0].wheelSize must be an integer"),
        (f"maxSpeed: {'x' * 9000}", f"got '{'x' * 79}...."),
        (f"{'x' * 900}: 1", f"unknown key {'x' * 80}... in car"),
    ],
)
def test_a_file_that_is_made_to_hurt_is_said(text, sentence):
    problems = read(text)[1]
    assert sentence in problems[0]
    assert len(problems[0]) < 300


def test_of_many_things_the_first_are_said():
    problems = read("".join(f"k{number}: 1\n" for number in range(30)))[1]
    assert len(problems) == 21
    assert problems[-1] == "car.yaml: and 10 more such things."
