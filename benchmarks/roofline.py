"""What the processor can do, and what part of it a training step reaches.

    python benchmarks/roofline.py
    python benchmarks/roofline.py --cases=resnet-50:224:32

The peak is TensorFlow's (oneDNN's) matrix product of 2048 x 2048, in each type; the
bandwidth that of a copy of 256 MB by NumPy in a thread a core. A profile of the step
that a job takes by default gives the time of each kind of op; its arithmetic follows
from the layers (a convolution and its two gradients: three times 2 x kernel x output;
the first has one gradient), its least traffic from what it has to read and write once
(of the convolutions: each input and output three times; of normalisation with its
activation, a tensor three times forwards and five times back). Gradients of kernels are
products where that is faster, so convolutions and products are one kind.
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

from trainer.models import convolution, gates, layers
from trainer.models.depthwise import DepthwiseConv2D

MATRIX_SIDE, COPY_BYTES, REPEATS = 2048, 256 * 2**20, 10
PROFILED_STEPS = 5
TYPES = ("float32", "bfloat16") if turns.has_bfloat16() else ("float32",)
CONVOLUTIONS, DEPTHWISE = "convolutions and products", "depthwise convolutions"
LOOPS = "normalisation and activation"
# Kind to how the names of its ops begin.
KINDS = {
    DEPTHWISE: ("Depthwise",),
    CONVOLUTIONS: ("Conv2D", "FusedConv2D", "MatMul", "FusedMatMul", "BatchMatMul"),
    # What is compiled is normalisation, activation, gates and where blocks meet.
    LOOPS: ("FusedBatchNorm", "ExecuteAsyncOnStream"),
    "optimizer": ("ResourceApply",),
}
# Node and op, or XLA's name for what it runs; less how oneDNN's and fused ops begin.
EVENT = re.compile(
    r"(?:[^:]+:|.*::(?=ExecuteAsyncOnStream))(?:_Mkl(?:Native)?|_)?(\w+)"
)


class Work(NamedTuple):
    """Of a step.

    Attributes:
        operations: Of floating point.
        secs_at_peak: What these take at the peak of their type.
        bytes: The least to move.
    """

    operations: float
    secs_at_peak: float
    bytes: float


def main(argv: Sequence[str]) -> int:
    """Prints a Markdown table a case."""
    flags = _parse(argv)
    peaks = {one: _measure_peak(one) for one in TYPES}
    bandwidth = _measure_bandwidth()
    print(turns.describe_machine())
    shown = ", ".join(f"{peak / 1e9:.0f} in {one}" for one, peak in peaks.items())
    print(f"\npeak in GFLOP/s: {shown}; copy {bandwidth / 1e9:.1f} GB/s")
    for case in map(stopwatch.parse_case, flags.cases.split(",")):
        _print_case(case, peaks, bandwidth)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cases", default="efficientnet-b0:224:32,resnet-50:224:32", help="as there"
    )
    return parser.parse_args(argv)


def _measure_peak(dtype: str) -> float:
    """Floating point operations a second."""
    side = MATRIX_SIDE
    matrix = tf.cast(tf.random.stateless_uniform([side, side], [0, 0]), dtype)
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


def _print_case(case: Case, peaks: dict[str, float], bandwidth: float) -> None:
    trainer = step_ours.build_trainer(case, "auto")
    batches = step_ours.repeat_one_batch(case)
    work = _count_work(trainer.model, case, peaks)

    def take_step() -> Any:
        return trainer.train_steps(batches, 1)

    for _ in range(stopwatch.WARM_UP_STEPS):
        take_step()
    started_at = time.perf_counter()
    for _ in range(PROFILED_STEPS):
        take_step()
    step_secs = (time.perf_counter() - started_at) / PROFILED_STEPS
    found = _profile(take_step)
    secs_at_peak = work[CONVOLUTIONS].secs_at_peak
    print(
        f"\n{case.model_type} at {case.image_size}, {1000 * step_secs:.0f} ms a step; "
        f"convolutions alone, at the peak: {1000 * secs_at_peak:.0f} ms, "
        f"{case.batch_size / secs_at_peak:.1f} images/s\n"
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
            *_compare(work.get(kind), mine, bandwidth),
        ]
        print(f"| {kind} | {' | '.join(cells)} |")


def _compare(work: Work | None, secs: float, bandwidth: float) -> list[str]:
    if work is None:
        return [""] * 4
    speed, traffic = work.operations / secs, work.bytes / secs
    cells = [f"{traffic / 1e9:.1f}", f"{traffic / bandwidth:.0%}"]
    if not work.operations:
        return ["", "", *cells]
    return [f"{speed / 1e9:.0f}", f"{work.secs_at_peak / secs:.0%}", *cells]


def _count_work(model: Any, case: Case, peaks: dict[str, float]) -> dict[str, Work]:
    """Of a step, by kind."""
    found: dict[str, list[float]] = collections.defaultdict(lambda: [0.0] * 3)
    for layer in model.layers:
        kind, weights, passes = _describe(layer)
        if not kind:
            continue
        # Pictures come first; gates and means are small beside them.
        read, written = [
            case.batch_size * float(np.prod(tf.nest.flatten(one)[0].shape[1:]))
            for one in (layer.input, layer.output)
        ]
        # The first layer needs no gradient of its inputs.
        num_passes = 3 if found else 2
        operations = num_passes * 2 * weights * written
        found[kind][0] += operations
        found[kind][1] += operations / peaks[layer.compute_dtype]
        size = tf.as_dtype(layer.compute_dtype).size
        found[kind][2] += size * passes * (read + written) / 2
    return {kind: Work(*sums) for kind, sums in found.items()}


def _describe(layer: Any) -> tuple[str, float, int]:
    """Kind, multiplications for each value of the output, passes over a tensor."""
    if isinstance(layer, DepthwiseConv2D):
        return DEPTHWISE, float(np.prod(layer.kernel.shape[:2])), 6
    if isinstance(layer, (convolution.Conv2D, gates.GatedConv2D)):
        return CONVOLUTIONS, float(np.prod(layer.kernel.shape[:3])), 6
    if isinstance(layer, layers.FusedBatchNormalization):
        return LOOPS, 0.0, 8
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
