import html.parser
import re

import pytest

from tests import tuning
from trainer.jobs import trial, tuning_page

SPEC = tuning.tuned(
    tuning.double(), tuning.integer(8, 64), tuning.categorical("adam", "momentum")
)


def trials(count):
    return [
        tuning.ended(
            number,
            {
                "initial_learning_rate": SPEC.params[0].from_unit(number / 10),
                "train_batch_size": 8 + number,
                "optimizer_type": ("adam", "momentum")[number % 2],
            },
            0.05 * number,
            0.1 * number,
            early=number == 2,
        )
        for number in range(1, count + 1)
    ]


class Tags(html.parser.HTMLParser):
    """Counts tags, and gathers what a browser would load."""

    def __init__(self, text):
        super().__init__()
        self.count, self.loaded = {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not value.startswith("#"):
                self.loaded.append(value)


def test_the_page_shows_objective_coordinates_and_importance():
    page = tuning_page.format_page(SPEC, trials(6))
    tags = Tags(page)
    assert tags.count["svg"] == 4
    assert tags.loaded == []
    assert tags.count.get("script") is None
    assert "<title>Tuning: top_1_accuracy 0.6000 at best, trial 6</title>" in page
    for text in ("initial_learning_rate", "train_batch_size", "optimizer_type"):
        assert len(re.findall(f">{text}<", page)) == 2, "in coordinates and importance"


def test_the_same_trials_give_the_same_page():
    found = [
        re.sub(r"\d+ s ", "", tuning_page.format_page(SPEC, trials(4)))
        for _ in range(2)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("count", [1, 3])
def test_few_trials_say_nothing_of_importance(count):
    page = tuning_page.format_page(
        SPEC,
        [
            *trials(count),
            trial.Trial(
                9,
                {
                    "initial_learning_rate": 0.1,
                    "train_batch_size": 9,
                    "optimizer_type": "adam",
                },
            ),
        ],
    )
    assert "It takes 4 trials that differ to tell." in page
    assert Tags(page).count["svg"] == 3


def test_equal_results_are_no_trouble():
    equal = trials(5)
    for one in equal:
        one.measure({20: 0.5})
    assert "It takes 4 trials that differ" in tuning_page.format_page(SPEC, equal)


def test_signs_of_formulas_are_text():
    paths = ("$\\frac$", "$b$")
    tuned = tuning.tuned(
        tuning.categorical(*paths, name="pretrained_checkpoint_path"),
        hyperparameter_metric_tag="$\\frac$",
    )
    ended = [
        tuning.ended(number, {"pretrained_checkpoint_path": paths[number % 2]}, number)
        for number in range(1, 6)
    ]
    assert ">$\\frac$<" in tuning_page.format_page(tuned, ended)
