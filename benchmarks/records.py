"""Records a second of the index, on many small records, and its memory.

    python benchmarks/records.py --num_records=1000000

Writes the records to a temporary folder. Measured are: to index them, to read, check
and label all, to load both from a job's cache, and bytes of memory a record.
"""

import argparse
import glob
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import turns

NUM_SHARDS = 10


def main(argv: Sequence[str]) -> int:
    """Prints a Markdown table, or, in a process of one measurement, one number."""
    flags = _parse(argv)
    if flags.measure:
        print(MEASUREMENTS[flags.measure](flags))
        return 0
    print(turns.describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        _write_records(folder, flags.num_records)
        _measure_all(flags, folder)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num_records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind")
    parser.add_argument("--training_data_path", help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _write_records(folder: str, num_records: int) -> None:
    import tensorflow as tf

    sys.path.insert(0, str(turns.ROOT))
    from trainer.data import examples

    records = [examples.build_placeholder(1 + label) for label in range(10)]
    for shard in range(NUM_SHARDS):
        with tf.io.TFRecordWriter(f"{folder}/train-{shard}.tfrecord") as writer:
            for number in range(num_records // NUM_SHARDS):
                writer.write(records[number % len(records)])


def _measure_all(flags: argparse.Namespace, folder: str) -> None:
    commands = {
        name: [
            sys.executable,
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
    print("\n| records | median | min-max |\n|---|---|---|")
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
    "index": _measure_index,
    "labels": _measure_labels,
    "cached": _measure_cached,
    "index MB": _measure_index_mb,
    "read MB": _measure_read_mb,
    "bytes": _measure_bytes,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
