import dataclasses
import html.parser
import re

import numpy as np
import pytest

from tests import finished_jobs
from trainer import storage
from trainer.report import data_facts, job_record, page, validation
from trainer.report.content import Content

VOID = {"meta", "br", "img"}


class Checker(html.parser.HTMLParser):
    """Sees that tags are closed in order, and collects what is loaded from where."""

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def gather(layout, *, scored=True):
    job = job_record.read_job(layout)
    splits = data_facts.find_facts(job)
    found = validation.validate(job) if scored else None
    problem = "" if scored else "the files are <gone>."
    return Content(job, splits, ["red", "green", "blue"], found, problem)


@pytest.fixture
def content(finished_job):
    return gather(finished_job)


def check(text):
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    return checker.links


def test_the_page_is_whole_and_needs_nothing_beside_it(content):
    links = check(page.format_page(content))
    assert [link.partition(",")[0] for link in links] == ["data:image/jpeg;base64"]


def test_it_has_every_section(content):
    text = page.format_page(content)
    assert re.findall("<h2>(.*?)</h2>", text) == [
        "Training",
        "Data",
        "Classes",
        "Confusions",
        "Confidence",
        "Worst mistakes",
        "Configuration",
    ]


def test_the_numbers_are_those_of_the_model_and_of_the_job(content):
    text = page.format_page(content)
    assert "<b>85.7%</b>" in text
    assert "48.7% to 97.4% with 95 % confidence, on 7 images" in text
    assert "6 are right. In training, 6 were counted." in text
    assert "<span>images a second</span><b>16</b>" in text
    assert "<span>waiting for data</span><b>25.0%</b>" in text
    assert "Steps waited 25% of the time for their batches" in text
    assert "<td>blue</td><td>green</td>" in text
    assert "is &lt;bad&gt; &amp; odd" in text
    assert "<td>model_type</td><td>resnet-18</td>" in text
    assert "<td>device</td><td>the CPU with 2 cores</td><td>found</td>" in text


def test_without_a_score_it_tells_the_rest_and_why(finished_job):
    text = page.format_page(gather(finished_job, scored=False))
    check(text)
    assert "could not be scored again: the files are &lt;gone&gt;." in text
    assert "the job&#x27;s own count on 7 validation images" in text
    assert "<h2>Worst mistakes</h2>" not in text


def test_a_job_of_before_the_course_was_kept_has_a_page(finished_job):
    storage.remove_files([finished_job.curve_path, finished_job.index_path])
    text = page.format_page(gather(finished_job, scored=False))
    check(text)
    assert "The course of training was not written down" in text
    assert "Images of each class" not in text


@pytest.mark.parametrize("num_classes", [2, 45, 300])
def test_any_number_of_classes_has_a_page(content, num_classes):
    names = [f"kind <{number}>" for number in range(num_classes)]
    scores = finished_jobs.build_scores(num_classes, 1000)
    splits = [
        split
        if split.counts is None
        else dataclasses.replace(split, counts=np.arange(num_classes))
        for split in content.splits
    ]
    found = content.validated._replace(scores=scores, names=names, worst=[])
    text = page.format_page(
        content._replace(validated=found, names=names, splits=splits)
    )
    check(text)
    assert ("Confusion matrix" in text) == (num_classes <= 40)
    assert ("And 100 more: task.py evaluate --json." in text) == (num_classes == 300)


def test_a_model_without_a_mistake_has_a_page(content):
    scores = finished_jobs.build_scores(3, 1)
    assert not scores.confusions
    found = content.validated._replace(scores=scores, worst=[])
    text = page.format_page(content._replace(validated=found))
    check(text)
    assert "No mistake was made." in text


def test_a_mistake_that_can_not_be_shown_is_still_there(content):
    (one,) = content.validated.worst
    hidden = one._replace(mistake=one.mistake._replace(encoded=b"no picture"))
    found = content.validated._replace(worst=[hidden])
    text = page.format_page(content._replace(validated=found))
    assert "only its centre decodes" in text


def test_long_lists_of_bad_records_are_cut(finished_job):
    bad = [{"path": "a", "record": number, "reason": "is bad"} for number in range(30)]
    finished_jobs.change(finished_job, bad_records={"training": bad, "validation": []})
    text = page.format_page(gather(finished_job, scored=False))
    assert "And 10 more, see metrics.json." in text
