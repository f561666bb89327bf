import os
import threading

import pytest
import tensorflow as tf

from trainer import errors
from trainer.training import checkpoints


def build(directory, value=0.0):
    variables = {
        "layer/kernel": tf.Variable([value, value]),
        "global_step": tf.Variable(int(value), dtype=tf.int64),
    }
    return checkpoints.Checkpoints(str(directory), variables), variables


def save(directory, *steps):
    for step in steps:
        build(directory, float(step))[0].save(step, {"step": step})


def restore(directory):
    saved, variables = build(directory, -1.0)
    return saved.restore(), variables["layer/kernel"].numpy().tolist()


def test_the_newest_checkpoint_comes_back(tmp_path):
    save(tmp_path, 5, 12)
    assert restore(tmp_path) == ({"step": 12}, [12.0, 12.0])
    assert checkpoints.read_job_state(str(tmp_path)) == {"step": 12}


def test_training_goes_on_while_the_values_of_then_are_written(tmp_path, monkeypatch):
    saved, variables = build(tmp_path, 5.0)
    kernel, goes_on = variables["layer/kernel"], threading.Event()
    write = checkpoints.Checkpoints._write

    def write_late(*arguments):
        assert goes_on.wait(60)
        write(*arguments)

    monkeypatch.setattr(checkpoints.Checkpoints, "_write", write_late)
    saved.save(5, {"step": 5}, waits=False)
    tf.function(lambda: kernel.assign_add([1.0, 1.0]))()
    tf.raw_ops.ResourceApplyGradientDescent(
        var=kernel.handle, alpha=1.0, delta=[1.0, 1.0]
    )
    kernel.assign([7.0, 7.0])
    assert checkpoints.list_steps(str(tmp_path)) == []
    goes_on.set()
    saved.wait()
    assert restore(tmp_path) == ({"step": 5}, [5.0, 5.0])


def test_what_goes_wrong_behind_is_raised_by_the_next_call(tmp_path):
    directory = tmp_path / "checkpoints"
    saved, _ = build(directory)
    directory.write_text("a file where the folder should be")
    saved.save(5, {}, waits=False)
    with pytest.raises(errors.StorageError, match="checkpoints"):
        saved.save(6, {})


def test_without_a_checkpoint_nothing_changes(tmp_path):
    assert restore(tmp_path) == (None, [-1.0, -1.0])
    assert checkpoints.read_job_state(str(tmp_path)) is None


def test_tensorflow_reads_it_by_name(tmp_path):
    save(tmp_path, 3)
    latest = tf.train.latest_checkpoint(str(tmp_path))
    assert os.path.basename(latest) == "model.ckpt-3"
    reader = tf.train.load_checkpoint(latest)
    assert reader.get_tensor("layer/kernel").tolist() == [3.0, 3.0]


def test_old_checkpoints_are_pruned(tmp_path):
    save(tmp_path, 1, 2, 3, 4, 10)
    assert checkpoints.list_steps(str(tmp_path)) == [3, 4, 10]
    assert {name.split(".")[1] for name in os.listdir(tmp_path) if "." in name} == {
        "ckpt-3",
        "ckpt-4",
        "ckpt-10",
    }


def damage(directory, step, *, length=None):
    (path,) = directory.glob(f"model.ckpt-{step}.data-*")
    content = bytearray(path.read_bytes())
    content[0] ^= 255
    path.write_bytes(content[:length])


@pytest.mark.parametrize("length", [None, 4])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, caplog, length):
    save(tmp_path, 5, 12)
    damage(tmp_path, 12, length=length)
    assert restore(tmp_path) == ({"step": 5}, [5.0, 5.0])
    assert "model.ckpt-12 can't be restored" in caplog.text


def test_an_index_without_data_falls_back(tmp_path):
    save(tmp_path, 5, 12)
    (path,) = tmp_path.glob("model.ckpt-12.data-*")
    path.unlink()
    assert restore(tmp_path)[0] == {"step": 5}


def test_data_without_an_index_is_no_checkpoint(tmp_path):
    save(tmp_path, 5, 12)
    (tmp_path / "model.ckpt-12.index").unlink()
    assert restore(tmp_path)[0] == {"step": 5}


def test_only_damaged_checkpoints_are_an_error(tmp_path):
    save(tmp_path, 5)
    damage(tmp_path, 5)
    with pytest.raises(errors.StorageError, match="None of the checkpoints in"):
        restore(tmp_path)


def test_what_a_killed_run_left_is_removed(tmp_path):
    (tmp_path / ".staging-x").mkdir()
    (tmp_path / ".staging-x" / "model.ckpt-1.data-00000-of-00001").write_bytes(b"half")
    build(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "checkpoints").write_text("a file in the way")
    with pytest.raises(errors.StorageError, match="checkpoints can't be listed"):
        save(tmp_path / "checkpoints", 1)


def test_checkpoints_go_to_gs_and_come_back(bucket, caplog):
    directory = f"{bucket.url}/job/checkpoints"
    save(directory, 1, 2, 3, 4)
    assert checkpoints.list_steps(directory) == [2, 3, 4]
    assert "job/checkpoints/checkpoint" in bucket.names()
    assert restore(directory) == ({"step": 4}, [4.0, 4.0])
    bucket.write("job/checkpoints/model.ckpt-4.data-00000-of-00001", b"half")
    assert restore(directory) == ({"step": 3}, [3.0, 3.0])
    assert checkpoints.read_job_state(directory) == {"step": 3}
    assert f"{directory}/model.ckpt-4 can't be restored" in caplog.text


def test_an_upload_that_fails_leaves_the_checkpoint_before(bucket):
    directory = f"{bucket.url}/checkpoints"
    save(directory, 1)
    bucket.fail(403, method="POST", path="upload")
    with pytest.raises(errors.StorageError, match="denied"):
        save(directory, 2)
    assert checkpoints.list_steps(directory) == [1]
    assert restore(directory) == ({"step": 1}, [1.0, 1.0])
