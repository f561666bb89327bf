"""How the cost of a job grows: with records, classes, pixels, processes.

    python benchmarks/growth.py
    python benchmarks/growth.py --sections=records --records=1000,1000000

Each row is one ResNet-18 job on synthetic pictures, a process of its own: seconds until
all data is checked, seconds a step, seconds of an evaluation of 32
images, peak memory. `--plot` draws the rows of `records`.
"""

import argparse
import functools
import json
import pathlib
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence

import job_process
import turns
from job_process import JobCosts

BATCH_SIZE = 32
PICTURE_SIDE = 32
NUM_PICTURES, NUM_SHARDS = 10, 10


def main(argv: Sequence[str]) -> int:
    """Prints a Markdown table a section."""
    flags = _parse(argv)
    print(turns.describe_machine())
    for section in flags.sections.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            SECTIONS[section](flags, pathlib.Path(scratch))
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sections", default="records,classes,pixels,workers")
    parser.add_argument("--records", default="1000,10000,100000,1000000,10000000")
    parser.add_argument("--classes", default="10,100,1000,20000")
    parser.add_argument("--pixels", default="32,64,128,224,384,600")
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--plot", help="PNG file to write, of `records`")
    return parser.parse_args(argv)


def _measure_records(flags: argparse.Namespace, scratch: pathlib.Path) -> None:
    _print_head("records")
    rows = []
    for number in map(int, flags.records.split(",")):
        data = _write_records(scratch / f"{number}", number, num_classes=10)
        costs = _run(scratch / f"job-{number}", data, num_classes=10)
        _print_row(f"{number:,}", costs)
        rows.append((number, costs))
    if flags.plot:
        _plot(rows, flags.plot)


def _measure_classes(flags: argparse.Namespace, scratch: pathlib.Path) -> None:
    _print_head("classes")
    for number in map(int, flags.classes.split(",")):
        data = _write_records(scratch / f"{number}", 20_000, num_classes=number)
        costs = _run(scratch / f"job-{number}", data, num_classes=number)
        _print_row(f"{number:,}", costs)


def _measure_pixels(flags: argparse.Namespace, scratch: pathlib.Path) -> None:
    data = _write_records(scratch / "data", 1000, num_classes=10)
    _print_head("pixels")
    for number in map(int, flags.pixels.split(",")):
        job_dir = scratch / f"job-{number}"
        costs = _run(job_dir, data, num_classes=10, more=[f"--image_size={number}"])
        _print_row(f"{number}", costs)


def _measure_workers(flags: argparse.Namespace, scratch: pathlib.Path) -> None:
    """Processes on this machine share its cores, so what is lost is what they cost."""
    data = _write_records(scratch / "data", 1000, num_classes=10)
    _print_head("processes")
    for number in map(int, flags.workers.split(",")):
        job_dir = scratch / f"job-{number}"
        _print_row(f"{number}", _run_cluster(job_dir, data, number))


SECTIONS: dict[str, Callable[[argparse.Namespace, pathlib.Path], None]] = {
    "records": _measure_records,
    "classes": _measure_classes,
    "pixels": _measure_pixels,
    "workers": _measure_workers,
}


def _write_records(folder: pathlib.Path, num_records: int, *, num_classes: int) -> str:
    """Ten pictures, again and again under labels from 1; returns the pattern."""
    import tensorflow as tf

    folder.mkdir()
    pictures = [_draw_picture(number) for number in range(NUM_PICTURES)]
    # Records repeat, and making one takes far longer than writing it.
    serialize = functools.cache(_serialize)
    for shard in range(NUM_SHARDS):
        with tf.io.TFRecordWriter(str(folder / f"train-{shard}.tfrecord")) as writer:
            for number in range(shard, num_records, NUM_SHARDS):
                picture = pictures[number % NUM_PICTURES]
                writer.write(serialize(picture, 1 + number % num_classes))
    return f"{folder}/train-*.tfrecord"


def _draw_picture(number: int) -> bytes:
    """A JPEG file of noise."""
    import tensorflow as tf

    shape, seed = [PICTURE_SIDE, PICTURE_SIDE, 3], [0, number]
    noise = tf.random.stateless_uniform(shape, seed, maxval=256)
    encoded: bytes = tf.io.encode_jpeg(tf.cast(noise, tf.uint8)).numpy()
    return encoded


def _serialize(encoded: bytes, label: int) -> bytes:
    """A record as the service's users have them."""
    import tensorflow as tf

    picture = tf.train.BytesList(value=[encoded])
    features = {
        "image/encoded": tf.train.Feature(bytes_list=picture),
        "image/class/label": tf.train.Feature(
            int64_list=tf.train.Int64List(value=[label])
        ),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString())


def _flags(data: str, num_classes: int, more: Sequence[str]) -> list[str]:
    return [
        f"--training_data_path={data}",
        f"--validation_data_path={data}",
        f"--num_classes={num_classes}",
        f"--train_batch_size={BATCH_SIZE}",
        f"--num_eval_images={BATCH_SIZE}",
        "--model_type=resnet-18",
        "--max_steps=30",
        "--report=false",
        *(more or [f"--image_size={PICTURE_SIDE}"]),
    ]


def _run(
    job_dir: pathlib.Path, data: str, *, num_classes: int, more: Sequence[str] = ()
) -> JobCosts:
    return job_process.Job(job_dir, _flags(data, num_classes, more)).wait()


def _run_cluster(job_dir: pathlib.Path, data: str, number: int) -> JobCosts:
    """Costs of the chief."""
    if number == 1:
        return _run(job_dir, data, num_classes=10)
    addresses = [f"127.0.0.1:{port}" for port in _find_ports(number)]
    cluster = {"chief": addresses[:1], "worker": addresses[1:]}
    tasks = [("chief", 0), *(("worker", index) for index in range(number - 1))]
    jobs = []
    for kind, index in tasks:
        config = {"cluster": cluster, "task": {"type": kind, "index": index}}
        env = {"TF_CONFIG": json.dumps(config)}
        jobs.append(job_process.Job(job_dir, _flags(data, 10, ()), env))
    costs = jobs[0].wait()
    for job in jobs[1:]:
        job.wait_for_end()
    return costs


def _find_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _print_head(name: str) -> None:
    print(f"\n| {name} | checked, s | ms a step | evaluation, s | peak memory, MB |")
    print("|---|---|---|---|---|")


def _print_row(value: str, costs: JobCosts) -> None:
    print(
        f"| {value} | {costs.ready_secs:.1f} | {1000 * costs.step_secs:.1f} | "
        f"{costs.evaluation_secs:.2f} | {costs.peak_bytes / 1e6:,.0f} |",
        flush=True,
    )


def _plot(rows: Sequence[tuple[int, JobCosts]], path: str) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    numbers = [number for number, _ in rows]
    figure, axes = pyplot.subplots(1, 3, figsize=(10, 3), layout="constrained")
    series = {
        "seconds until all is checked": [one.ready_secs for _, one in rows],
        "milliseconds a step": [1000 * one.step_secs for _, one in rows],
        "peak memory, MB": [one.peak_bytes / 1e6 for _, one in rows],
    }
    for axis, (title, values) in zip(axes, series.items(), strict=True):
        axis.plot(numbers, values, marker="o")
        axis.set(xscale="log", xlabel="records", title=title, ylim=(0, None))
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
