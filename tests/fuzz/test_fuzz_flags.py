"""Whatever the arguments are, a config or a sentence comes of them."""

import dataclasses

import hypothesis
from hypothesis import strategies

from tests import mutations
from trainer import errors, flags, words

GOOD = {
    "training_data_path": "data/train-*",
    "validation_data_path": "data/validation-*",
    "job_dir": "job",
    "num_classes": "3",
    "max_steps": "20",
}


@strategies.composite
def command_lines(draw):
    word = draw(strategies.sampled_from(sorted(words.WORDS)))
    kind = words.WORDS[word].config_class
    names = [field.name for field in dataclasses.fields(kind)]
    arguments = [
        f"--{name}={text}" for name, text in GOOD.items() if draw(strategies.booleans())
    ]
    for _ in range(draw(strategies.integers(0, 5))):
        name = draw(strategies.one_of(strategies.sampled_from(names), mutations.texts))
        text = draw(mutations.texts)
        form = draw(strategies.sampled_from(["--{}={}", "--{} {}", "{1}", "-{}={}"]))
        arguments.append(form.format(name, text))
    return kind, arguments


@hypothesis.given(command_lines())
@mutations.in_time
def test_arguments(command_line):
    kind, arguments = command_line
    try:
        config = flags.parse(arguments, kind)
    except errors.ConfigError as error:
        assert str(error)
    else:
        assert dataclasses.asdict(config)
        if hasattr(config, "warnings"):
            list(config.warnings())
