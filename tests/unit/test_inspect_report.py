import numpy as np

from trainer.data import copies, inspect_report, label_range, verdict
from trainer.data.survey import RECORD, BadFile, BadRecord, Split, Status


def build_survey(num_groups, *, num_bad=0):
    """Pictures that are there four times, each with two labels, two in each split."""
    splits = []
    for name in ("train", "validation"):
        records = np.zeros(2 * num_groups, RECORD)
        records["label"] = [1, 2] * num_groups
        records["orientation"] = 6
        records["width"], records["height"] = 40, 30
        bad = [
            BadRecord("f", number, 7, Status.BROKEN, "is no example")
            for number in range(num_bad)
        ]
        splits.append(
            Split(
                name,
                "",
                paths=[f"{name}-0"],
                file_records=[2 * num_groups],
                bad_files=[BadFile("empty", "empty is empty.")],
                bad_records=bad,
                records=records,
            )
        )
    groups = [
        copies.Group(
            [
                copies.Copy(split, 2 * number + second, 1 + second)
                for split in range(2)
                for second in range(2)
            ]
        )
        for number in range(num_groups)
    ]
    labels = label_range.infer(
        [split.count_labels() for split in splits], num_classes=None, names=()
    )
    found = copies.Copies(groups, [])
    return inspect_report.Survey(
        splits, labels, found, verdict.judge(splits, labels, found)
    )


def test_long_lists_are_cut_and_counted():
    page = inspect_report.format_report(build_survey(1000, num_bad=8))
    assert "turned by EXIF: 4,000\n" in page
    assert "  and 3,995 more, see --json\n" in page
    assert "bad records: 16\n  f, record 0 (byte 7) is no example\n" in page
    assert "  and 11 more, see --json\n" in page
    assert "    train-0, record 1\n    validation-0, record 0\n    and 1 more\n" in page
    assert "  and 997 more exact, see --json\n" in page
    assert "one picture, different labels: 1,000\n" in page
    assert "    train-0, record 0 is 1\n    train-0, record 1 is 2\n" in page
    assert page.count("\n") < 90


def test_files_that_cannot_be_read_are_counted_and_named():
    page = inspect_report.format_report(build_survey(1))
    assert "records  bad  files  bad files" in page
    assert "train             2    0      2          1  0.0\n" in page
    assert page.endswith("would fail:\n  empty is empty.\n  empty is empty.\n")


def test_a_summary_of_sizes_leaves_out_what_is_unknown():
    split = build_survey(2).splits[0]
    split.records["width"] = [0, 10, 20, 90]
    assert inspect_report.summarize(split, "width") == {
        "min": 10,
        "median": 20,
        "max": 90,
    }
    split.records["width"] = 0
    assert inspect_report.summarize(split, "width") == {}
