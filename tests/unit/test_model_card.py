import dataclasses

import pytest

from trainer.report import model_card, write
from trainer.report.job_record import read_job


@pytest.fixture
def content(finished_job):
    return write._gather(read_job(finished_job))


def test_the_card_says_what_it_is_how_good_and_where_weak(content):
    text = model_card.format_card(content)
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads == [
        "# resnet-18, 3 classes",
        "## Intended use",
        "## Training data",
        "## Metrics",
        "## Limits",
        "## How to use it",
    ]
    assert "| top-1 accuracy | 0.8571 |" in text
    assert "| its 95 % confidence interval | 0.4869 to 0.9743 |" in text
    assert "| `green` | 2 | 0.667 | 1.000 | 0.800 |" in text
    assert "Fewer than 20 images were scored of `red`, `green`, `blue`" in text
    assert "It tells 3 classes apart: `red`, `green`, `blue`." in text
    assert "Less than half" not in text


def test_the_card_says_what_the_job_started_from(content):
    assert "| started from | random weights |" in model_card.format_card(content)
    config = dataclasses.replace(content.job.config, model_type="hub", hub_handle="v")
    job = dataclasses.replace(content.job, config=config)
    assert "| started from | v |" in model_card.format_card(content._replace(job=job))


def test_a_class_that_is_not_found_is_named(content):
    scores = content.validated.scores
    scores._pairs[2, 1] += 9
    assert "Less than half of the images were found of `blue`." in (
        model_card.format_card(content)
    )


def test_names_do_not_break_the_tables(content):
    names = ["a|b", "`c`", "d"]
    text = model_card.format_card(content._replace(names=names))
    assert "| `a\\|b` | 2 |" in text
    assert "| `c` | 2 |" in text


def test_many_classes_are_named_in_part(content):
    names = [f"kind {number}" for number in range(40)]
    text = model_card.format_card(content._replace(names=names, validated=None))
    assert "It tells 40 classes apart: `kind 0`," in text
    assert "`kind 9` and 30 more." in text


def test_without_a_score_it_has_the_jobs_own(content):
    unscored = content._replace(validated=None, problem="the files are gone.")
    text = model_card.format_card(unscored)
    assert "Top-1 accuracy 0.8571 on 7 validation images, as counted in" in text
    assert "was not scored again: the files are gone." in text
