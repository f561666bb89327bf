"""The words predict and batch-predict as their users run them."""

import base64
import json
import subprocess
import sys

from tests import pictures


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "trainer.task", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        **options,
    )


def build_request(labels):
    lines = []
    for number, label in enumerate(labels):
        encoded = pictures.encode(pictures.draw_class(label, 3, seed=number))
        text = base64.b64encode(encoded).decode()
        lines.append(json.dumps({"image_bytes": {"b64": text}, "key": f"k{number}"}))
    return "\n".join(lines) + "\n"


def test_a_folder_and_a_bad_file_are_a_table_and_exit_code_1(
    colour_model_dir, tmp_path
):
    (tmp_path / "photos").mkdir()
    for label, name in enumerate(["one", "two"]):
        encoded = pictures.encode(pictures.draw_class(label, 3))
        (tmp_path / "photos" / f"{name}.jpg").write_bytes(encoded)
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    done = run(
        *("predict", f"--model_dir={colour_model_dir}", "--top=1"),
        *(f"{tmp_path}/photos", f"{tmp_path}/bad.jpg"),
        f"--json={tmp_path}/answers.jsonl",
    )
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["file", "class"],
        [f"{tmp_path}/photos/one.jpg", "red"],
        [f"{tmp_path}/photos/two.jpg", "green"],
        [f"{tmp_path}/bad.jpg", "expected"],
    ]
    log = done.stderr.splitlines()
    assert log[-1].endswith(
        "predict | 1 of 3 pictures without a prediction; the output says why."
    )
    assert len(log) == 2
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 3


def test_a_request_on_standard_input_is_answered(colour_model_dir):
    done = run(
        *("predict", f"--model_dir={colour_model_dir}", "--instances=-"),
        input=build_request([2, 0]),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["predictions"]
    assert [(one["key"], one["classes"]) for one in found] == [("k0", 2), ("k1", 0)]


def test_a_path_that_matches_nothing_is_said_before_tensorflow(tmp_path):
    for word in ("predict", "batch-predict"):
        flags = [f"--model_dir={tmp_path}", f"{tmp_path}/*.jpg"]
        if word == "batch-predict":
            flags += ["--data_format=IMAGES", f"--output_path={tmp_path}/out"]
        done = run(word, *flags)
        assert done.returncode == 1
        assert f"/*.jpg matches no file; check the path; {tmp_path} holds nothing." in (
            done.stderr
        )
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_batch_of_requests_carries_its_keys(colour_model_dir, tmp_path):
    labels = [number % 3 for number in range(100)]
    half = build_request(labels).splitlines(keepends=True)
    (tmp_path / "0.jsonl").write_text("".join(half[:50]) + "nonsense\n")
    (tmp_path / "1.jsonl").write_text("".join(half[50:]))
    done = run(
        *("batch-predict", f"--model_dir={colour_model_dir}", "--data_format=JSON"),
        *(f"--input_paths={tmp_path}/?.jsonl", f"--output_path={tmp_path}/out"),
        "--batch_size=16",
    )
    assert done.returncode == 0, done.stderr
    assert "batch-predict | predictions 100 | errors 1 | " in done.stderr
    assert len(done.stderr.splitlines()) == 2
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [
        "prediction.errors_stats-00000-of-00001",
        "prediction.results-00000-of-00002",
        "prediction.results-00001-of-00002",
    ]
    text = "".join((tmp_path / "out" / name).read_text() for name in names[1:])
    found = list(map(json.loads, text.splitlines()))
    assert [(one["key"], one["classes"]) for one in found] == [
        (f"k{number}", label) for number, label in enumerate(labels)
    ]
    assert all(list(one) == ["classes", "key", "probabilities"] for one in found)
    error = json.loads((tmp_path / "out" / names[0]).read_text())
    assert error["instance"] == f"{tmp_path}/0.jsonl line 51"
