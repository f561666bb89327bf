"""Images a second of `convert` beside a plain loop over the same stages, in turns.

    python benchmarks/convert.py --images_dir=clothing
    python benchmarks/convert.py --images_dir=clothing --copies=4,16 --rounds=5

The loop runs the stages of trainer/data/stages.py one after the other in one thread,
with the same checks, and writes the same bytes, which is verified. Each measurement is
a process of its own; the time is from its start, Apache Beam's import included. More
images are made of links to the same files. "Others" is the share of all processors that
other programs took meanwhile: where it is not near 0, the ratio says little.
"""

import argparse
import filecmp
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import turns

SPLITS = ("train", "validation", "test")
MODES = ("loop", "convert")
SECS_BETWEEN_LOOKS = 0.2


class Measurement(NamedTuple):
    """One conversion: wall and processor seconds, peak bytes, and others' share."""

    secs: float
    cpu_secs: float
    peak_bytes: int
    others: float


def main(argv: Sequence[str]) -> int:
    """Prints a Markdown table, or, in a process of one measurement, converts."""
    flags = _parse(argv)
    if flags.measure:
        _measure(flags.measure, flags.images_dir, flags.output_dir)
        return 0
    print(turns.describe_machine())
    print("\n| images | way | images/s | ratio | CPU ms/image | peak memory | others |")
    print("|---|---|---|---|---|---|---|")
    for copies in map(int, flags.copies.split(",")):
        with tempfile.TemporaryDirectory() as scratch:
            images_dir = os.path.join(scratch, "images")
            num_images = _link_copies(flags.images_dir, images_dir, copies)
            found = _run_rounds(images_dir, scratch, flags.rounds)
        _print_rows(num_images, found)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images_dir", required=True, help="has split folders of class folders"
    )
    parser.add_argument(
        "--copies", default="4,16", help="how often each image is taken, a comma list"
    )
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind")
    parser.add_argument("--measure", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--output_dir", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _link_copies(images_dir: str, target_dir: str, copies: int) -> int:
    """Links every image several times under names of its own; returns how many."""
    num_images = 0
    for path in sorted(pathlib.Path(images_dir).resolve().glob("*/*/*")):
        folder = pathlib.Path(target_dir, *path.parts[-3:-1])
        folder.mkdir(parents=True, exist_ok=True)
        for copy in range(copies):
            (folder / f"{copy}-{path.name}").symlink_to(path)
            num_images += 1
    return num_images


def _run_rounds(
    images_dir: str, scratch: str, rounds: int
) -> dict[str, list[Measurement]]:
    found: dict[str, list[Measurement]] = {mode: [] for mode in MODES}
    outputs = {mode: os.path.join(scratch, mode) for mode in MODES}
    for number in range(rounds):
        for mode, output_dir in outputs.items():
            measurement = _run_measurement(mode, images_dir, output_dir)
            found[mode].append(measurement)
            print(f"round {number + 1}: {mode} {measurement}", file=sys.stderr)
        _check_same(*outputs.values())
    return found


def _run_measurement(mode: str, images_dir: str, output_dir: str) -> Measurement:
    command = [
        *(sys.executable, __file__, f"--measure={mode}"),
        *(f"--images_dir={images_dir}", f"--output_dir={output_dir}"),
    ]
    started_at, busy = time.perf_counter(), _busy_secs()
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(turns.ROOT)}, stderr=messages
        )
        peak_bytes = 0
        while process.poll() is None:
            peak_bytes = max(peak_bytes, _resident_bytes(process.pid))
            time.sleep(SECS_BETWEEN_LOOKS)
        if process.returncode:
            messages.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{messages.read().decode()}")
    secs, busy = time.perf_counter() - started_at, _busy_secs() - busy
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_secs = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    others = max(0.0, busy - cpu_secs) / (secs * len(os.sched_getaffinity(0)))
    return Measurement(secs, cpu_secs, peak_bytes, others)


def _resident_bytes(pid: int) -> int:
    """Memory of a process and of those that it started, files apart."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        tasks = list(pathlib.Path(f"/proc/{pid}/task").glob("*/children"))
        children = " ".join(task.read_text() for task in tasks).split()
    except OSError:
        # It has just ended.
        return 0
    facts = dict(line.split(":", 1) for line in status.splitlines())
    own = int(facts.get("RssAnon", "0").split()[0]) * 1024
    return own + sum(_resident_bytes(int(child)) for child in children)


def _busy_secs() -> float:
    """Seconds that all processors have worked, for anyone."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def _check_same(first: str, second: str) -> None:
    names = [name for name in os.listdir(first) if name.endswith(".tfrecord")]
    _, differing, absent = filecmp.cmpfiles(first, second, names, shallow=False)
    if differing or absent or not names:
        raise SystemExit(f"loop and convert differ: {differing + absent}")


def _print_rows(num_images: int, found: dict[str, list[Measurement]]) -> None:
    secs = {
        mode: statistics.median(measurement.secs for measurement in measurements)
        for mode, measurements in found.items()
    }
    for mode, measurements in found.items():
        cpu_secs = statistics.median(each.cpu_secs for each in measurements)
        peak = statistics.median(each.peak_bytes for each in measurements)
        others = statistics.median(each.others for each in measurements)
        cells = [
            f"{num_images:,}",
            mode,
            f"{num_images / secs[mode]:.0f}",
            f"{secs['loop'] / secs[mode]:.2f}",
            f"{1000 * cpu_secs / num_images:.2f}",
            f"{peak / 1e6:.0f} MB",
            f"{others:.0%}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def _measure(mode: str, images_dir: str, output_dir: str) -> None:
    """Converts in this process."""
    from trainer import config

    job = config.ConvertConfig(images_dir=images_dir, output_dir=output_dir)
    if mode == "loop":
        _convert_in_a_loop(job)
    else:
        from trainer.data import convert

        convert.run(job)


def _convert_in_a_loop(job: Any) -> None:
    """The stages in one thread, without Beam."""
    from trainer import storage
    from trainer.data import folders, parts, report, row_lists, rows, shards, stages

    tree = folders.read_tree(
        job.images_dir, labels=[], shares={}, bad_rows=rows.BadRows(skip=False)
    )
    os.makedirs(job.output_dir, exist_ok=True)
    with storage.staging_dir(job.output_dir) as work_dir:
        row_lists.write(tree.rows, work_dir)
        steps = stages.build(
            job, report.Source(*tree), work_dir=work_dir, staging_dir=job.output_dir
        )
        examined = [steps.examine(path) for path in row_lists.find(work_dir)]
        split_bytes: Counter[str] = Counter()
        for each in examined:
            split_bytes.update(each.num_bytes)
        groups: dict[parts.PartKey, list[shards.Span]] = defaultdict(list)
        for list_path, _, _ in examined:
            for key, span in parts.find_parts(list_path, split_bytes):
                groups[key].append(span)
        for key, spans in groups.items():
            steps.write_part(key, spans)
        for shard in steps.plan(list(groups)):
            shards.assemble(shard, steps.staging_dir)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
