"""Reading and decoding beside tf.data's own reader and beside libjpeg-turbo alone.

    python benchmarks/input.py --training_data_path='data/train-*.tfrecord'
    python benchmarks/input.py --small_records=1000000

With photographs: images a second, decoded to batches at 224 pixels. `ours` is the input
of a training job; `tf.data` is interleave, TFRecordDataset and shuffle before the same
decoding; `ceiling` is libjpeg-turbo's decoding of the same random windows and OpenCV's
bicubic resize in a process a core, nothing else; `whole pictures` the same without
windows. `ours raw` and `tf.data raw` read and shuffle only.

The ceilings call libjpeg-turbo through TensorFlow's kernel, which has the one function
that decodes windows. Of whole pictures it decodes as many a second as simplejpeg, a
thin layer over the library, does.

With small records (written to a temporary folder): records a second to index, to read
all labels, to load both from the cache, and bytes of memory a record.
"""

import argparse
import glob
import importlib.metadata
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import turns

IMAGE_SIZE = 224
BATCH_SIZE = 32
SHUFFLE_BUFFER = 1024
NUM_SMALL_SHARDS = 10
# Name to what its ratio is to.
PHOTO_MODES = {
    "ours": "tf.data",
    "tf.data": "",
    "ceiling": "",
    "whole pictures": "",
    "ours raw": "tf.data raw",
    "tf.data raw": "",
}


def main(argv: Sequence[str]) -> int:
    """Prints Markdown tables, or, in a process of one measurement, one number."""
    flags = _parse(argv)
    if flags.measure:
        print(MEASUREMENTS[flags.measure](flags))
        return 0
    version = importlib.metadata.version("tensorflow")
    print(f"{turns.describe_processor()}, {os.cpu_count()} cores, TensorFlow {version}")
    if flags.training_data_path:
        _compare_photographs(flags, argv)
    if flags.small_records:
        with tempfile.TemporaryDirectory() as folder:
            _write_small_records(folder, flags.small_records)
            _measure_small_records(flags, folder)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--training_data_path", help="glob of TFRecord files")
    parser.add_argument("--small_records", type=int, help="how many to write and read")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind")
    parser.add_argument(
        "--seconds", type=float, default=15, help="length of one measurement"
    )
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _compare_photographs(flags: argparse.Namespace, argv: Sequence[str]) -> None:
    found = turns.measure_in_turns(
        {mode: [__file__, *argv, f"--measure={mode}"] for mode in PHOTO_MODES},
        rounds=flags.rounds,
    )
    print("\n| input | a second | min-max | to tf.data | to the ceiling |")
    print("|---|---|---|---|---|")
    medians = {mode: statistics.median(speeds) for mode, speeds in found.items()}
    for mode, speeds in found.items():
        base = PHOTO_MODES[mode]
        to_base = f"{medians[mode] / medians[base]:.2f}" if base else ""
        is_decoded = mode == "ours"
        to_ceiling = f"{medians[mode] / medians['ceiling']:.2f}" if is_decoded else ""
        print(
            f"| {mode} | {medians[mode]:,.0f} | {_spread(speeds)} | {to_base} | "
            f"{to_ceiling} |"
        )


def _count(items: Iterator[int], seconds: float) -> float:
    """Sums what an endless iterator yields, a second, after a warm-up."""
    started_at = time.perf_counter()
    while time.perf_counter() - started_at < 2:
        next(items)
    total, started_at = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started_at) < seconds:
        total += next(items)
    return total / elapsed


def _open_source(pattern: str) -> Any:
    from trainer import storage
    from trainer.data import bad_records, pipeline, tfrecord

    flag = "training_data_path"
    index = tfrecord.index_files(storage.match_files(pattern, flag))
    return pipeline.ExampleSource(
        index,
        bad_records.BadRecords(index, max_bad_records=lambda _: 0, flag=flag),
        label_offset=1,
    )


def _measure_ours(flags: argparse.Namespace) -> float:
    from trainer.data import order, pipeline

    source = _open_source(flags.training_data_path)
    batches = pipeline.TrainingInput(
        source,
        order.build_global_order(len(source.index), seed=0),
        image_size=IMAGE_SIZE,
        batch_size=BATCH_SIZE,
        seed=0,
    ).open(0)
    return _count((len(batch[1]) for batch in batches), flags.seconds)


def _measure_ours_raw(flags: argparse.Namespace) -> float:
    import tensorflow as tf

    from trainer.data import order, pipeline

    source = _open_source(flags.training_data_path)
    globally = order.build_global_order(len(source.index), seed=0)
    size = pipeline.READ_BATCH

    def read(start: Any) -> Any:
        positions = start + tf.range(size, dtype=tf.int64)
        return source.read_batch(globally(positions))[1]

    batches = tf.data.Dataset.counter(0, size).map(read, num_parallel_calls=1)
    return _count((len(batch) for batch in batches.prefetch(2)), flags.seconds)


def _read_with_tf_data(pattern: str) -> Any:
    import tensorflow as tf

    files = tf.data.Dataset.from_tensor_slices(sorted(glob.glob(pattern)))
    records = files.repeat().interleave(
        tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE
    )
    return records.shuffle(SHUFFLE_BUFFER)


def _measure_tf_data(flags: argparse.Namespace) -> float:
    import tensorflow as tf

    from trainer.data import examples, images

    def decode(serialized: Any, number: Any) -> Any:
        encoded, labels = examples.parse_batch(serialized[tf.newaxis])
        seed = tf.stack([tf.constant(0, tf.int64), number])
        pixels = images.decode_for_training(encoded[0], seed, image_size=IMAGE_SIZE)
        return pixels, labels[0]

    records = _read_with_tf_data(flags.training_data_path)
    numbered = tf.data.Dataset.zip((records, tf.data.Dataset.counter()))
    batches = numbered.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    batches = batches.batch(BATCH_SIZE, drop_remainder=True).prefetch(2)
    return _count((len(batch[1]) for batch in batches), flags.seconds)


def _measure_tf_data_raw(flags: argparse.Namespace) -> float:
    from trainer.data import examples, pipeline

    records = _read_with_tf_data(flags.training_data_path)
    batches = records.batch(pipeline.READ_BATCH).map(examples.parse_batch).prefetch(2)
    return _count((len(batch[1]) for batch in batches), flags.seconds)


def _measure_ceiling(flags: argparse.Namespace) -> float:
    return _decode_on_all_cores(flags, has_windows=True)


def _measure_whole_pictures(flags: argparse.Namespace) -> float:
    return _decode_on_all_cores(flags, has_windows=False)


def _decode_on_all_cores(flags: argparse.Namespace, *, has_windows: bool) -> float:
    """A process a core, each of which decodes and resizes all that it is given."""
    num_processes = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with context.Pool(num_processes) as pool:
        arguments = (flags.training_data_path, flags.seconds, has_windows)
        return sum(pool.starmap(decode_alone, [arguments] * num_processes))


def decode_alone(pattern: str, seconds: float, has_windows: bool) -> float:  # noqa: FBT001
    """Images a second that one process decodes and resizes, in one thread."""
    import cv2
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    cv2.setNumThreads(1)
    pictures = [
        (tf.constant(encoded), _draw_window(encoded, number))
        for number, encoded in enumerate(_load_encoded(pattern))
    ]

    def decode() -> Iterator[int]:
        while True:
            for encoded, window in pictures:
                if has_windows:
                    pixels = tf.image.decode_and_crop_jpeg(encoded, window, channels=3)
                else:
                    pixels = tf.io.decode_jpeg(encoded, channels=3)
                cv2.resize(
                    pixels.numpy(),
                    (IMAGE_SIZE, IMAGE_SIZE),
                    interpolation=cv2.INTER_CUBIC,
                )
                yield 1

    return _count(decode(), seconds)


def _draw_window(encoded: bytes, number: int) -> Any:
    """A window as training draws them: int32 [4], top, left, height, width."""
    import tensorflow as tf

    from trainer.data import images

    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.io.extract_jpeg_shape(encoded),
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed=tf.constant([0, number], tf.int64),
        min_object_covered=images.MIN_OBJECT_COVERED,
        aspect_ratio_range=images.ASPECT_RATIO_RANGE,
        area_range=images.AREA_RANGE,
        max_attempts=images.MAX_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    return tf.concat([begin[:2], size[:2]], axis=0)


def _load_encoded(pattern: str, most: int = 500) -> list[bytes]:
    import tensorflow as tf

    from trainer.data import examples, tfrecord

    index = tfrecord.index_files(sorted(glob.glob(pattern)))
    records = [index.read(record) for record in range(min(most, len(index)))]
    return list(examples.parse_batch(tf.constant(records))[0].numpy())


def _write_small_records(folder: str, num_records: int) -> None:
    import tensorflow as tf

    sys.path.insert(0, str(turns.ROOT))
    from trainer.data import examples

    records = [examples.build_placeholder(1 + label) for label in range(10)]
    for shard in range(NUM_SMALL_SHARDS):
        with tf.io.TFRecordWriter(f"{folder}/train-{shard}.tfrecord") as writer:
            for number in range(num_records // NUM_SMALL_SHARDS):
                writer.write(records[number % len(records)])


def _measure_small_records(flags: argparse.Namespace, folder: str) -> None:
    commands = {
        name: [
            __file__,
            f"--training_data_path={folder}/train-*",
            f"--measure={name}",
        ]
        for name in ("index", "labels", "cached", "index MB", "read MB", "bytes")
    }
    found = turns.measure_in_turns(commands, rounds=flags.rounds)
    units = {
        "index": "records/s indexed",
        "labels": "records/s indexed and read, checked and labelled",
        "cached": "records/s from the cache",
        "index MB": "MB/s indexed",
        "read MB": "MB/s of the same files read in one go (from memory, mostly)",
        "bytes": "bytes of memory a record of the index",
    }
    print("\n| small records | median | min-max |\n|---|---|---|")
    for name, unit in units.items():
        values = found[name]
        print(f"| {unit} | {statistics.median(values):,.0f} | {_spread(values)} |")


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):,.0f}-{max(values):,.0f}"


def _index(flags: argparse.Namespace) -> tuple[Any, float]:
    from trainer.data import tfrecord

    paths = sorted(glob.glob(flags.training_data_path))
    started_at = time.perf_counter()
    index = tfrecord.index_files(paths)
    return index, time.perf_counter() - started_at


def _measure_index(flags: argparse.Namespace) -> float:
    index, secs = _index(flags)
    return len(index) / secs


def _count_bytes(flags: argparse.Namespace) -> int:
    return sum(os.path.getsize(path) for path in glob.glob(flags.training_data_path))


def _measure_index_mb(flags: argparse.Namespace) -> float:
    return _count_bytes(flags) / 1e6 / _index(flags)[1]


def _measure_read_mb(flags: argparse.Namespace) -> float:
    started_at = time.perf_counter()
    for path in glob.glob(flags.training_data_path):
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass
    return _count_bytes(flags) / 1e6 / (time.perf_counter() - started_at)


def _measure_bytes(flags: argparse.Namespace) -> float:
    """Growth of the process, everything included, while it indexes."""
    from trainer.data import tfrecord

    paths = sorted(glob.glob(flags.training_data_path))
    tfrecord.index_files(paths[:1])
    before = _resident_bytes()
    index = tfrecord.index_files(paths)
    return (_resident_bytes() - before) / len(index)


def _resident_bytes() -> int:
    """Anonymous memory: pages of mapped files are the system's cache."""
    with open("/proc/self/status", encoding="utf-8") as lines:
        facts = dict(line.split(":", 1) for line in lines)
    return 1024 * int(facts["RssAnon"].split()[0])


def _read_split(flags: argparse.Namespace, cache: Any) -> tuple[int, float]:
    from trainer import storage
    from trainer.data import labels

    started_at = time.perf_counter()
    split = labels.read_split(
        storage.find_files(flags.training_data_path, "training_data_path"),
        flag="training_data_path",
        max_bad_records=lambda _: 0,
        cache=cache,
    )
    return len(split.index), time.perf_counter() - started_at


def _measure_labels(flags: argparse.Namespace) -> float:
    from trainer.data import index_cache

    num_records, secs = _read_split(flags, index_cache.IndexCache("no-such-file"))
    return num_records / secs


def _measure_cached(flags: argparse.Namespace) -> float:
    from trainer.data import index_cache

    with tempfile.TemporaryDirectory() as folder:
        cache = index_cache.IndexCache(f"{folder}/index.npz")
        _read_split(flags, cache)
        cache.save()
        started_at = time.perf_counter()
        cache = index_cache.IndexCache(f"{folder}/index.npz")
        loading_secs = time.perf_counter() - started_at
        num_records, secs = _read_split(flags, cache)
    return num_records / (loading_secs + secs)


MEASUREMENTS: dict[str, Callable[[argparse.Namespace], float]] = {
    "ours": _measure_ours,
    "tf.data": _measure_tf_data,
    "ceiling": _measure_ceiling,
    "whole pictures": _measure_whole_pictures,
    "ours raw": _measure_ours_raw,
    "tf.data raw": _measure_tf_data_raw,
    "index": _measure_index,
    "labels": _measure_labels,
    "cached": _measure_cached,
    "index MB": _measure_index_mb,
    "read MB": _measure_read_mb,
    "bytes": _measure_bytes,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
