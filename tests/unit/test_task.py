import logging
import pathlib
import subprocess
import sys

import pytest

from trainer import __version__, errors, flags, task, words
from trainer.report import write
from trainer.training import experiment

TRAIN = [
    "--training_data_path=a",
    "--validation_data_path=b",
    "--job-dir=c",
    "--num_classes=2",
    "--max_steps=1",
]


@pytest.fixture
def jobs(monkeypatch):
    """Words that record what they were asked to do."""
    seen = []
    for name, word in words.WORDS.items():
        run = lambda job, name=name: seen.append((name, job))  # noqa: E731
        monkeypatch.setitem(words.WORDS, name, word._replace(run=run))
    return seen


def test_flags_alone_train(jobs):
    assert task.main(TRAIN) == 0
    assert task.main(["train", *TRAIN]) == 0
    assert [name for name, _ in jobs] == ["train", "train"]
    assert jobs[0] == jobs[1]


def test_a_word_takes_its_own_flags(jobs):
    assert task.main(["convert", "--images_dir=photos", "--output_dir=data"]) == 0
    ((name, job),) = jobs
    assert (name, job.images_dir) == ("convert", "photos")


def test_an_unknown_word_ends_with_1(caplog):
    assert task.main(["trian"]) == 1
    assert "Unknown word 'trian'; expected one of train, convert" in caplog.text


def test_a_word_may_have_several_parts(jobs):
    assert task.main(["jobs", "describe", "one", "--format=json"]) == 0
    ((name, job),) = jobs
    assert (name, job.job_id) == ("jobs describe", "one")


def test_words_of_a_family_are_named(caplog):
    assert task.main(["jobs", "sbmit", "--region=here"]) == 1
    assert "Unknown word 'jobs sbmit'; expected one of jobs submit tr" in caplog.text
    assert "convert" not in caplog.text


def test_on_vertex_ai_the_job_dir_has_a_default(jobs, monkeypatch):
    monkeypatch.setenv("AIP_MODEL_DIR", "gs://b/out/1/model/")
    without = [flag for flag in TRAIN if not flag.startswith("--job-dir")]
    assert task.main(without) == 0
    assert task.main(TRAIN) == 0
    assert [job.job_dir for _, job in jobs] == ["gs://b/out/1", "c"]


@pytest.mark.parametrize("flag", sorted(flags.HELP_FLAGS))
def test_help_alone_lists_words_and_the_flags_of_train(capsys, flag):
    assert task.main([flag]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: python -m trainer.task [WORD] --flag=value ...\n")
    assert all(f"\n  {name} " in text for name in words.WORDS)
    assert "--max_steps" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", words.WORDS)
def test_help_of_a_word_is_of_that_word_only(capsys, name):
    assert task.main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: python -m trainer.task {name} --flag=value ...\n")
    assert f"\n  python -m trainer.task {name} \\\n" in text
    assert [one for one in words.WORDS if f"\n  {one} " in text] == []
    assert max(map(len, text.splitlines())) <= 80


def test_help_of_a_family_lists_its_words(capsys):
    assert task.main(["jobs", "--help"]) == 0
    text = capsys.readouterr().out
    assert "jobs submit training" in text
    assert "convert" not in text


def test_help_of_an_unknown_word_names_the_known_ones(caplog):
    assert task.main(["serv", "--help"]) == 1
    assert "Unknown word 'serv'" in caplog.text


def test_the_version_is_printed(capsys):
    assert task.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def fail_with(monkeypatch, error):
    def run(_):
        raise error

    word = words.WORDS["train"]._replace(run=run)
    monkeypatch.setitem(words.WORDS, "train", word)


def test_an_owners_mistake_ends_with_1_and_no_traceback(monkeypatch, caplog):
    fail_with(monkeypatch, errors.DataError("one\ntwo"))
    assert task.main(TRAIN) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "DataError: one",
        "DataError: two",
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_a_bug_ends_with_2_and_its_traceback(monkeypatch, caplog):
    fail_with(monkeypatch, ZeroDivisionError("oops"))
    assert task.main(TRAIN) == 2
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.exc_info[0] is ZeroDivisionError


def test_ctrl_c_ends_with_130_and_no_traceback(monkeypatch, caplog):
    fail_with(monkeypatch, KeyboardInterrupt())
    assert task.main(TRAIN) == 130
    assert not any(record.exc_info for record in caplog.records)


def test_the_exit_code_of_a_word_is_passed_on(monkeypatch):
    word = words.WORDS["train"]._replace(run=lambda _: 143)
    monkeypatch.setitem(words.WORDS, "train", word)
    assert task.main(TRAIN) == 143


@pytest.mark.parametrize("size", [10, 1_000_000], ids=["at the end", "in the middle"])
def test_reader_that_closed_the_output_is_no_bug(size):
    code = (
        "import sys; from trainer import task\n"
        "sys.stdin.readline()\n"
        f"task._run = lambda _: sys.stdout.write('x' * {size}) and 0\n"
        "sys.exit(task.main([]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=pathlib.Path(__file__).resolve().parents[2],
        text=True,
    )
    process.stdout.close()
    process.stdin.write("\n")
    process.stdin.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_other_broken_pipe_is_a_bug(monkeypatch, caplog, tmp_path):
    def run(_):
        raise BrokenPipeError

    with open(tmp_path / "out", "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setattr(task, "_run", run)
        assert task.main([]) == 2
    assert "Internal error" in caplog.text


@pytest.fixture
def reported(monkeypatch):
    """Layouts of the jobs that a report was written of."""
    seen = []
    monkeypatch.setattr(write, "write_report", seen.append)
    return seen


def end_training(monkeypatch, exit_code):
    monkeypatch.setattr(experiment, "run", lambda _: exit_code)


@pytest.mark.parametrize(
    ("exit_code", "flags", "job_dirs"),
    [(0, [], ["c"]), (0, ["--report=false"], []), (143, [], [])],
)
def test_a_report_follows_a_job_that_is_done(
    monkeypatch, reported, exit_code, flags, job_dirs
):
    end_training(monkeypatch, exit_code)
    assert task.main([*TRAIN, *flags]) == exit_code
    assert [layout.root_dir.rstrip("/") for layout in reported] == job_dirs


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.DataError("It is odd."), "report | not written: It is odd. Then run: "),
        (KeyboardInterrupt(), "report | interrupted; the job is done. Later: python"),
        (ZeroDivisionError("oops"), "report | not written for a bug in the trainer"),
    ],
)
def test_a_job_that_is_done_stays_done_without_its_report(
    monkeypatch, caplog, error, said
):
    def fail(_):
        raise error

    monkeypatch.setattr(write, "write_report", fail)
    end_training(monkeypatch, 0)
    assert task.main(TRAIN) == 0
    assert said in caplog.text
    is_bug = isinstance(error, ZeroDivisionError)
    assert ("Traceback" in caplog.text) == is_bug
