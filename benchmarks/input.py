"""Reading and decoding beside tf.data's own reader and beside libjpeg-turbo alone.

    python benchmarks/input.py --training_data_path='data/train-*.tfrecord'

Images a second, decoded to batches of one size. `ours` is the input of a training job;
`without kernels` the same where those of trainer/data/kernels were not compiled; `ours
kept` with --cache_decoded after an epoch, when it holds all pictures. `tf.data` is
interleave, TFRecordDataset and shuffle before the same decoding by TensorFlow's
kernels. `ceiling` is libjpeg-turbo's decoding of the same random windows and OpenCV's
bicubic resize in a process a core, nothing else; `float32 ceiling` the same with
OpenCV's resize of float32, the type that networks read; `whole pictures` without
windows. `ours raw` and `tf.data raw` read and shuffle only.

The ceilings call libjpeg-turbo through TensorFlow's kernel, which has the one function
that decodes windows. Of whole pictures it decodes as many a second as simplejpeg, a
thin layer over the library, does.
"""

import argparse
import functools
import glob
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import turns

BATCH_SIZE = 32
SHUFFLE_BUFFER = 1024
# Name to what its ratio is to.
PHOTO_MODES = {
    "ours": "tf.data",
    "ours kept": "tf.data",
    "without kernels": "tf.data",
    "tf.data": "",
    "ceiling": "",
    "float32 ceiling": "",
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
    print(turns.describe_machine())
    _compare(flags, argv)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_flags(parser)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind")
    parser.add_argument(
        "--seconds", type=float, default=15, help="length of one measurement"
    )
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What is read, and how large it becomes."""
    parser.add_argument(
        "--training_data_path", required=True, help="glob of TFRecord files"
    )
    parser.add_argument(
        "--image_size", type=int, default=224, help="side of the output in pixels"
    )


def _compare(flags: argparse.Namespace, argv: Sequence[str]) -> None:
    found = turns.measure_in_turns(
        {
            mode: [sys.executable, __file__, *argv, f"--measure={mode}"]
            for mode in PHOTO_MODES
        },
        rounds=flags.rounds,
    )
    print("\n| input | a second | min-max | to tf.data | to the ceiling |")
    print("|---|---|---|---|---|")
    medians = {mode: statistics.median(speeds) for mode, speeds in found.items()}
    for mode, speeds in found.items():
        base = PHOTO_MODES[mode]
        to_base = f"{medians[mode] / medians[base]:.2f}" if base else ""
        to_ceiling = ""
        if mode in ("ours", "ours kept", "without kernels", "float32 ceiling"):
            to_ceiling = f"{medians[mode] / medians['ceiling']:.2f}"
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
    from trainer.data import bad_records, tfrecord
    from trainer.data.example_source import ExampleSource

    flag = "training_data_path"
    index = tfrecord.index_files(storage.match_files(pattern, flag))
    return ExampleSource(
        index,
        bad_records.BadRecords(index, max_bad_records=lambda _: 0, flag=flag),
        label_offset=1,
    )


def _measure_ours(flags: argparse.Namespace) -> float:
    batches = _open_training(flags)
    return _count((len(batch[1]) for batch in batches), flags.seconds)


def _measure_without_kernels(flags: argparse.Namespace) -> float:
    _leave_kernels_out()
    return _measure_ours(flags)


def _leave_kernels_out() -> None:
    from trainer.data.kernels import library

    library.load = lambda: None


def _open_training(flags: argparse.Namespace, cache: Any = None) -> Iterator[Any]:
    from trainer.data import order, pipeline

    source = _open_source(flags.training_data_path)
    batches = pipeline.TrainingInput(
        source,
        order.build_global_order(len(source.index), seed=0),
        image_size=flags.image_size,
        batch_size=BATCH_SIZE,
        seed=0,
        cache=cache,
    )
    return iter(batches.open(0))


def _measure_ours_raw(flags: argparse.Namespace) -> float:
    import tensorflow as tf

    from trainer.data import order

    source = _open_source(flags.training_data_path)
    globally = order.build_global_order(len(source.index), seed=0)

    def read(start: Any) -> Any:
        positions = start + tf.range(BATCH_SIZE, dtype=tf.int64)
        return source.read_batch(globally(positions))[1]

    batches = tf.data.Dataset.counter(0, BATCH_SIZE).map(read, num_parallel_calls=1)
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

    _leave_kernels_out()

    def decode(serialized: Any, number: Any) -> Any:
        encoded, labels = examples.parse_batch(serialized[tf.newaxis])
        seed = tf.stack([tf.constant(0, tf.int64), number])
        pixels = images.decode_for_training(
            encoded[0], seed, image_size=flags.image_size
        )
        return pixels, labels[0]

    records = _read_with_tf_data(flags.training_data_path)
    numbered = tf.data.Dataset.zip((records, tf.data.Dataset.counter()))
    batches = numbered.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    batches = batches.batch(BATCH_SIZE, drop_remainder=True).prefetch(2)
    return _count((len(batch[1]) for batch in batches), flags.seconds)


def _measure_tf_data_raw(flags: argparse.Namespace) -> float:
    from trainer.data import examples

    records = _read_with_tf_data(flags.training_data_path)
    batches = records.batch(BATCH_SIZE).map(examples.parse_batch).prefetch(2)
    return _count((len(batch[1]) for batch in batches), flags.seconds)


def _decode_on_all_cores(
    flags: argparse.Namespace, *, has_windows: bool = True, dtype: str = "uint8"
) -> float:
    """A process a core, each of which decodes and resizes all that it is given."""
    num_processes = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with context.Pool(num_processes) as pool:
        arguments = (flags, has_windows, dtype)
        return sum(pool.starmap(decode_alone, [arguments] * num_processes))


def decode_alone(
    flags: argparse.Namespace,
    has_windows: bool,  # noqa: FBT001
    dtype: str,
) -> float:
    """Images a second that one process decodes and resizes, in one thread."""
    import cv2
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    cv2.setNumThreads(1)
    size = (flags.image_size, flags.image_size)
    pictures = []
    for number, encoded in enumerate(load_encoded(flags.training_data_path)):
        window = draw_window(tf.io.extract_jpeg_shape(encoded), number)
        pictures.append((tf.constant(encoded), window))

    def decode() -> Iterator[int]:
        while True:
            for encoded, window in pictures:
                if has_windows:
                    pixels = tf.image.decode_and_crop_jpeg(encoded, window, channels=3)
                else:
                    pixels = tf.io.decode_jpeg(encoded, channels=3)
                typed = pixels.numpy().astype(dtype, copy=False)
                cv2.resize(typed, size, interpolation=cv2.INTER_CUBIC)
                yield 1

    return _count(decode(), flags.seconds)


def _measure_ours_kept(flags: argparse.Namespace) -> float:
    from trainer.data.decoded_cache import DecodedCache

    # More than the pictures of any split that this measures.
    cache = DecodedCache(max_bytes=int(16e9))
    batches = _open_training(flags, cache)
    num_records = len(_open_source(flags.training_data_path).index)
    for _ in range(num_records // BATCH_SIZE + 1):
        next(batches)
    return _count((len(batch[1]) for batch in batches), flags.seconds)


def draw_window(shape: Any, number: Any) -> Any:
    """A window as training draws them: int32 [4], top, left, height, width."""
    import tensorflow as tf

    from trainer.data import images

    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape,
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed=tf.stack([0, number]),
        min_object_covered=images.MIN_OBJECT_COVERED,
        aspect_ratio_range=images.ASPECT_RATIO_RANGE,
        area_range=images.AREA_RANGE,
        max_attempts=images.MAX_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    return tf.concat([begin[:2], size[:2]], axis=0)


def load_encoded(pattern: str, most: int = 500) -> list[bytes]:
    """The pictures of the first records."""
    import tensorflow as tf

    from trainer.data import examples, tfrecord

    index = tfrecord.index_files(sorted(glob.glob(pattern)))
    records = [index.read(record) for record in range(min(most, len(index)))]
    return list(examples.parse_batch(tf.constant(records))[0].numpy())


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):,.0f}-{max(values):,.0f}"


MEASUREMENTS: dict[str, Callable[[argparse.Namespace], float]] = {
    "ours": _measure_ours,
    "ours kept": _measure_ours_kept,
    "without kernels": _measure_without_kernels,
    "tf.data": _measure_tf_data,
    "ceiling": _decode_on_all_cores,
    "float32 ceiling": functools.partial(_decode_on_all_cores, dtype="float32"),
    "whole pictures": functools.partial(_decode_on_all_cores, has_windows=False),
    "ours raw": _measure_ours_raw,
    "tf.data raw": _measure_tf_data_raw,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
