"""What the processor can do, and what part of it a training step reaches.

    python benchmarks/roofline.py
    python benchmarks/roofline.py --cases=resnet-50:224:32

The peak is TensorFlow's (oneDNN's) matrix product of 2048 x 2048; the bandwidth that of
a copy of 256 MB by NumPy in a thread a core. A profile of the step gives the time of
each kind of op; its arithmetic follows from the layers (a convolution and its two
gradients: three times 2 x kernel x output), its least traffic from what it has to read
and write once (of the convolutions: each input and output three times; of normalisation
with its activation, a tensor three times forwards and five times back).
"""

import argparse
import collections
import glob
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import step_ours
import stopwatch
import tensorflow as tf
import turns
from stopwatch import Case
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from trainer.models import convolution, layers
from trainer.models.depthwise import DepthwiseConv2D

MATRIX_SIDE, COPY_BYTES, REPEATS = 2048, 256 * 2**20, 10
PROFILED_STEPS = 5
BYTES = 4
# Kind to how the names of its ops begin.
KINDS = {
    "depthwise convolutions": ("Depthwise",),
    "convolutions": ("Conv2D", "FusedConv2D"),
    # What is compiled is normalisation and gradients of activations.
    "normalisation": ("FusedBatchNorm", "ExecuteAsyncOnStream"),
    "matrix products": ("MatMul", "FusedMatMul", "BatchMatMul", "Einsum"),
    "optimizer": ("ResourceApply",),
}
# Node and op, or XLA's name for what it runs; less how oneDNN's and fused ops begin.
EVENT = re.compile(
    r"(?:[^:]+:|.*::(?=ExecuteAsyncOnStream))(?:_Mkl(?:Native)?|_)?(\w+)"
)


class Work(NamedTuple):
    """Of a step: floating point operations, and the least bytes to move."""

    operations: float
    bytes: float


def main(argv: Sequence[str]) -> int:
    """Prints a Markdown table a case."""
    flags = _parse(argv)
    peak, bandwidth = _measure_peak(), _measure_bandwidth()
    print(turns.describe_machine())
    print(
        f"\npeak {peak / 1e9:.0f} GFLOP/s in float32, copy {bandwidth / 1e9:.1f} GB/s"
    )
    for case in map(stopwatch.parse_case, flags.cases.split(",")):
        _print_case(case, peak, bandwidth)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cases", default="efficientnet-b0:224:32,resnet-50:224:32", help="as there"
    )
    return parser.parse_args(argv)


def _measure_peak() -> float:
    """Floating point operations a second."""
    side = MATRIX_SIDE
    matrix = tf.random.stateless_uniform([side, side], [0, 0])
    product = tf.function(lambda: tf.linalg.matmul(matrix, matrix))
    return 2 * side**3 / _fastest(lambda: product().numpy()[0, 0])


def _measure_bandwidth() -> float:
    """Bytes a second, read and written."""
    num_threads = os.cpu_count() or 1
    source = np.ones([num_threads, COPY_BYTES // num_threads], np.uint8)
    target = np.empty_like(source)
    target.fill(1)

    def copy() -> None:
        threads = [
            threading.Thread(target=np.copyto, args=(target[one], source[one]))
            for one in range(num_threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return 2 * source.nbytes / _fastest(copy)


def _fastest(call: Callable[[], Any]) -> float:
    """Seconds of the fastest of some calls."""
    secs = []
    for _ in range(REPEATS):
        started_at = time.perf_counter()
        call()
        secs.append(time.perf_counter() - started_at)
    return min(secs)


def _print_case(case: Case, peak: float, bandwidth: float) -> None:
    trainer = step_ours.build_trainer(case, "float32")
    batches = step_ours.repeat_one_batch(case)
    work = _count_work(trainer.model, case)

    def take_step() -> Any:
        return trainer.train_steps(batches, 1)

    for _ in range(stopwatch.WARM_UP_STEPS):
        take_step()
    started_at = time.perf_counter()
    for _ in range(PROFILED_STEPS):
        take_step()
    step_secs = (time.perf_counter() - started_at) / PROFILED_STEPS
    found = _profile(take_step)
    print(
        f"\n{case.model_type} at {case.image_size}, {1000 * step_secs:.0f} ms a step\n"
    )
    print(
        "| kind of op | share of the time | GFLOP/s | of the peak | GB/s | of a copy |"
    )
    print("|---|---|---|---|---|---|")
    total = sum(found.values())
    for kind, secs in sorted(found.items(), key=lambda item: -item[1]):
        # Ops run beside each other: their sum is stretched to the step's time.
        mine = step_secs * secs / total
        cells = [
            f"{secs / total:.0%}",
            *_compare(work.get(kind), mine, peak, bandwidth),
        ]
        print(f"| {kind} | {' | '.join(cells)} |")


def _compare(
    work: Work | None, secs: float, peak: float, bandwidth: float
) -> list[str]:
    if work is None:
        return [""] * 4
    speed, traffic = work.operations / secs, work.bytes / secs
    cells = [f"{traffic / 1e9:.1f}", f"{traffic / bandwidth:.0%}"]
    if not work.operations:
        return ["", "", *cells]
    return [f"{speed / 1e9:.0f}", f"{speed / peak:.0%}", *cells]


def _count_work(model: Any, case: Case) -> dict[str, Work]:
    """Of a step, by kind."""
    found: dict[str, list[float]] = collections.defaultdict(lambda: [0.0, 0.0])
    for layer in model.layers:
        kind, weights, passes = _describe(layer)
        if not kind:
            continue
        written = case.batch_size * float(np.prod(layer.output.shape[1:]))
        read = case.batch_size * float(np.prod(layer.input.shape[1:]))
        found[kind][0] += 3 * 2 * weights * written
        found[kind][1] += BYTES * passes * (read + written) / 2
    return {kind: Work(*sums) for kind, sums in found.items()}


def _describe(layer: Any) -> tuple[str, float, int]:
    """Kind, multiplications for each value of the output, passes over a tensor."""
    if isinstance(layer, DepthwiseConv2D):
        return "depthwise convolutions", float(np.prod(layer.kernel.shape[:2])), 6
    if isinstance(layer, convolution.Conv2D):
        return "convolutions", float(np.prod(layer.kernel.shape[:3])), 6
    if isinstance(layer, layers.FusedBatchNormalization):
        return "normalisation", 0.0, 8
    return "", 0.0, 0


def _profile(take_step: Callable[[], Any]) -> dict[str, float]:
    """Seconds a step that threads spent in each kind of op."""
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(PROFILED_STEPS):
            take_step()
        tf.profiler.experimental.stop()
        (path,) = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)
        with open(path, "rb") as file:
            space = xplane_pb2.XSpace.FromString(file.read())
    found: dict[str, float] = collections.defaultdict(float)
    for plane in space.planes:
        if not plane.name.startswith("/host:CPU"):
            continue
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if match := EVENT.fullmatch(name):
                    found[_name_kind(match[1])] += event.duration_ps / 1e12
    return {kind: secs / PROFILED_STEPS for kind, secs in found.items()}


def _name_kind(op_type: str) -> str:
    for kind, beginnings in KINDS.items():
        if op_type.startswith(beginnings):
            return kind
    return "elementwise and all else"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
