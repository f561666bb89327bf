"""What a training picture costs on one core by part, beside OpenCV's resize.

    python benchmarks/input_parts.py --training_data_path='data/train-*.tfrecord'

The windows are those of `input.py`. Each part runs alone, in one thread, over the same
pictures; figures are the least of the rounds.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import input as input_benchmark
import turns

from trainer import environment

NUM_BATCHES = 10
NUM_PICTURES = NUM_BATCHES * input_benchmark.BATCH_SIZE


def main(argv: Sequence[str]) -> int:
    """Prints a Markdown table."""
    flags = _parse(argv)
    # As a job's process begins.
    environment.keep_freed_memory()
    print(turns.describe_machine())
    print("\n| part | µs a picture |")
    print("|---|---|")
    for name, call, all_arguments in _list_parts(flags):
        seconds = min(_time(call, all_arguments) for _ in range(flags.rounds))
        print(f"| {name} | {1e6 * seconds / NUM_PICTURES:.0f} |", flush=True)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    input_benchmark.add_flags(parser)
    parser.add_argument("--rounds", type=int, default=7, help="passes over the files")
    return parser.parse_args(argv)


def _list_parts(
    flags: argparse.Namespace,
) -> list[tuple[str, Callable[..., Any], Sequence[Any]]]:
    """Names, calls that do a part, and what each of their calls is given."""
    import cv2
    import tensorflow as tf

    from trainer.data.kernels import library

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    cv2.setNumThreads(1)
    size = (flags.image_size, flags.image_size)
    kernels = library.load()
    if kernels is None:
        sys.exit("The kernels of the input are not compiled: make setup")

    def decode(encoded: Any, window: Any) -> Any:
        return tf.image.decode_and_crop_jpeg(encoded, window, channels=3)

    def resize(pixels: Any) -> Any:
        return tf.raw_ops.ResizeBicubic(images=pixels[tf.newaxis], size=size)[0]

    def resize_by_kernel(pixels: Any) -> Any:
        return kernels.trainer_resize_window(pixels, True, image_size=flags.image_size)

    def do_all_by_kernel(encoded: Any, windows: Any, are_mirrored: Any) -> Any:
        return kernels.trainer_decode_jpeg_windows(
            encoded,
            windows,
            are_mirrored,
            image_size=flags.image_size,
            num_threads=1,
        )

    def resize_with_opencv(pixels: Any) -> Any:
        return cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)

    encoded = []
    pictures = input_benchmark.load_encoded(flags.training_data_path, NUM_PICTURES)
    for number, picture in enumerate(pictures):
        shape = tf.io.extract_jpeg_shape(picture)
        window = input_benchmark.draw_window(shape, number)
        encoded.append((tf.constant(picture), window))
    decoded = [(decode(*picture),) for picture in encoded]
    resized = [(resize(*pixels),) for pixels in decoded]
    as_bytes = [(pixels.numpy(),) for (pixels,) in decoded]
    as_floats = [(pixels.astype("float32"),) for (pixels,) in as_bytes]
    batches = [
        ([pixels for (pixels,) in resized[number::NUM_BATCHES]],)
        for number in range(NUM_BATCHES)
    ]
    batches_of_bytes = [
        (
            tf.stack([picture for picture, _ in encoded[number::NUM_BATCHES]]),
            tf.stack([window for _, window in encoded[number::NUM_BATCHES]]),
            [True, False] * (input_benchmark.BATCH_SIZE // 2),
        )
        for number in range(NUM_BATCHES)
    ]
    return [
        ("our kernel: all of it, in batches", do_all_by_kernel, batches_of_bytes),
        ("our kernel: resize and mirror", resize_by_kernel, decoded),
        ("decode a window", decode, encoded),
        ("resize it (TensorFlow, to float32)", resize, decoded),
        ("mirror it, every other one", lambda one: tf.reverse(one, [1]), resized[::2]),
        ("copy it into a batch", tf.stack, batches),
        ("OpenCV's resize to uint8", resize_with_opencv, as_bytes),
        ("OpenCV's resize of float32", resize_with_opencv, as_floats),
    ]


def _time(call: Callable[..., Any], all_arguments: Sequence[Any]) -> float:
    """Seconds that the calls take, one after the other."""
    started_at = time.perf_counter()
    for arguments in all_arguments:
        call(*arguments)
    return time.perf_counter() - started_at


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
