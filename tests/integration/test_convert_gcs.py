"""Conversions from a bucket and into one, on this machine and as Dataflow would."""

import json

import numpy as np
import pytest
from apache_beam.runners.portability.fn_api_runner import fn_runner
from PIL import Image

from trainer import config, errors
from trainer.config.beam import DATAFLOW_RUNNER
from trainer.data import beam_runner, convert


@pytest.fixture
def source(tmp_path, bucket):
    """Lists of 20 images, the same beside the images and in the bucket."""
    folder = tmp_path / "source"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(20):
        pixels = generator.integers(0, 256, (200, 200, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    lines = [f"{number}.png,{'ab'[number % 2]}\n" for number in range(20)]
    (folder / "train.csv").write_text("".join(lines[:15]))
    (folder / "validation.csv").write_text("".join(lines[15:]))
    (folder / "labels.txt").write_text("a\nb\n")
    bucket.write_dir(folder, "source")
    return folder


def build_job(source, output, **flags):
    return config.ConvertConfig(
        train_csv=f"{source}/train.csv",
        validation_csv=f"{source}/validation.csv",
        labels_file=f"{source}/labels.txt",
        output_dir=str(output),
        shard_mb=1,
        **flags,
    )


def build_dataflow_job(bucket, **flags):
    return build_job(
        f"{bucket.url}/source",
        f"{bucket.url}/out",
        runner=DATAFLOW_RUNNER,
        project_id="p",
        region="r",
        temp_location=f"{bucket.url}/temp",
        **flags,
    )


@pytest.fixture
def dataflow(monkeypatch):
    """Everything that a job on Dataflow does, but for the machines."""
    monkeypatch.setattr(beam_runner, "check_installed", lambda *_: None)
    monkeypatch.setattr(beam_runner, "_build_runner", lambda _: fn_runner.FnApiRunner())


def assert_same(bucket, expected):
    names = [path.name for path in expected.iterdir()]
    assert bucket.names("out/") == sorted(f"out/{name}" for name in names)
    for path in expected.iterdir():
        assert bucket.read(f"out/{path.name}") == path.read_bytes()


def test_bucket_gets_the_same_bytes(source, bucket, tmp_path):
    convert.run(build_job(source, tmp_path / "expected"))
    convert.run(build_job(f"{bucket.url}/source", f"{bucket.url}/out"))
    assert_same(bucket, tmp_path / "expected")


@pytest.mark.usefixtures("dataflow")
def test_workers_elsewhere_give_the_same_bytes(source, bucket, tmp_path):
    convert.run(build_job(source, tmp_path / "expected"))
    convert.run(build_dataflow_job(bucket))
    assert_same(bucket, tmp_path / "expected")
    assert bucket.names("temp/") == []


@pytest.mark.usefixtures("dataflow", "source")
def test_workers_elsewhere_leave_earlier_output_alone_on_error(bucket):
    convert.run(build_dataflow_job(bucket))
    before = {name: bucket.read(name) for name in bucket.names("out/")}
    bucket.write("source/3.png", b"no picture")
    with pytest.raises(errors.DataError, match=r"train.csv line 4: expected a pict"):
        convert.run(build_dataflow_job(bucket))
    assert {name: bucket.read(name) for name in bucket.names("out/")} == before
    convert.run(build_dataflow_job(bucket, skip_bad=True))
    manifest = json.loads(bucket.read("out/manifest.json"))
    assert manifest["splits"]["train"]["images"] == 14
    assert bucket.names("out/") == sorted(
        f"out/{name}" for name in [*manifest["files"], "manifest.json"]
    )
    assert bucket.names("temp/") == []


@pytest.fixture(params=["", "train/"], ids=["whole", "split"])
def tree(request, tmp_path, bucket):
    """Class folders with 24 images, the same here and in the bucket's photos/."""
    generator = np.random.default_rng(1)
    for number in range(24):
        top = request.param and ("train/" if number % 4 else "validation/")
        label = ("cat", "cat-like", "dog")[number % 3]
        path = tmp_path / "photos" / f"{top}{label}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (120, 120, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        name = path.relative_to(tmp_path).as_posix()
        bucket.write(name, path.read_bytes())
    bucket.write("photos/", b"")
    return tmp_path / "photos"


@pytest.mark.parametrize("is_output_gs", [True, False], ids=["to gs", "to local"])
def test_a_tree_in_a_bucket_gives_the_same_bytes(tree, bucket, tmp_path, is_output_gs):
    expected, found = tmp_path / "expected", tmp_path / "found"
    photos = f"{bucket.url}/photos"
    convert.run(config.ConvertConfig(images_dir=str(tree), output_dir=str(expected)))
    output_dir = f"{bucket.url}/out" if is_output_gs else str(found)
    convert.run(config.ConvertConfig(images_dir=photos, output_dir=output_dir))
    if is_output_gs:
        assert_same(bucket, expected)
        return
    contents = [
        {path.name: path.read_bytes() for path in place.iterdir()}
        for place in (expected, found)
    ]
    assert contents[0] == contents[1]


@pytest.mark.usefixtures("dataflow")
def test_workers_elsewhere_read_a_tree(tree, bucket, tmp_path):
    expected = tmp_path / "expected"
    convert.run(config.ConvertConfig(images_dir=str(tree), output_dir=str(expected)))
    convert.run(
        config.ConvertConfig(
            images_dir=f"{bucket.url}/photos",
            output_dir=f"{bucket.url}/out",
            runner=DATAFLOW_RUNNER,
            project_id="p",
            region="r",
            temp_location=f"{bucket.url}/temp",
        )
    )
    assert_same(bucket, expected)


@pytest.mark.parametrize(
    ("images_dir", "flags", "flag"),
    [
        ("{}/photos", {"output_dir": "{}/photos/out"}, "output_dir"),
        ("{}", {"output_dir": "{}/out"}, "output_dir"),
        (
            "{}/photos",
            {"output_dir": "{}/out", "temp_location": "{}/photos/temp"},
            "temp_location",
        ),
    ],
)
def test_output_among_the_images_is_refused(bucket, images_dir, flags, flag):
    job = config.ConvertConfig(
        images_dir=images_dir.format(bucket.url),
        **{name: value.format(bucket.url) for name, value in flags.items()},
    )
    with pytest.raises(errors.ConfigError, match=f"--{flag} must be outside --images"):
        convert.run(job)
    assert bucket.names() == []


def test_an_image_that_can_not_be_read_ends_the_run(tree, bucket):
    bucket.fail(403, method="GET", path="cat/0.png", count=99)
    with pytest.raises(errors.StorageError, match=r"0\.png can't be read: access is d"):
        convert.run(
            config.ConvertConfig(
                images_dir=f"{bucket.url}/photos", output_dir=f"{bucket.url}/out"
            )
        )
    assert bucket.names("out/") == []
    assert tree.is_dir()
