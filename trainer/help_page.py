"""What --help prints: the words, or one word with its flags."""

import textwrap
from collections.abc import Collection, Sequence

from trainer import flags, words

WIDTH = 80


def format_help(argv: Sequence[str]) -> str:
    """The page that is asked for.

    Args:
        argv: Arguments without the program's name, a help flag among them. After a word
            the page is that word's; after the first part of several, such as `jobs`,
            it lists those; else it lists all, and the flags of the default one.

    Raises:
        ConfigError: If they start with no word.
    """
    family = [name for name in words.WORDS if name.split()[0] == argv[0]]
    if len(family) > 1 and argv[1] in flags.HELP_FLAGS:
        return _format_usage(f"{argv[0]} WORD") + _format_words(family)
    rest = list(argv)
    name = words.take_word(rest)
    if len(rest) < len(argv):
        return _format_usage(f"{name} --flag=value ...") + _format_word(name)
    return (
        _format_usage("[WORD] --flag=value ...")
        + _format_words(words.WORDS)
        + f"Without a word it is {name}.\n\n"
        + _format_word(name)
    )


def _format_usage(text: str) -> str:
    return f"Usage: python -m trainer.task {text}\n\n"


def _format_words(names: Collection[str]) -> str:
    width = max(map(len, names))
    lines = "\n".join(_format_line(name, width) for name in names)
    return f"Words, each with its own --help:\n{lines}\n\n"


def _format_word(name: str) -> str:
    word = words.WORDS[name]
    return (
        f"{name}: {word.summary}\n\n"
        f"Example:\n{_format_command(name)}\n\n"
        f"Flags:\n{flags.format_help(word.config_class)}\n"
    )


def _format_line(name: str, width: int) -> str:
    return textwrap.fill(
        words.WORDS[name].summary,
        WIDTH,
        initial_indent=f"  {name:{width}} ",
        subsequent_indent=" " * (width + 3),
    )


def _format_command(name: str) -> str:
    """The example as lines that can be pasted."""
    flags_of_example = words.WORDS[name].example.split()
    return " \\\n    ".join([f"  python -m trainer.task {name}", *flags_of_example])
