"""Reads what `inspect` plans: in this process, or in others if there is much.

TensorFlow is imported where records are read only.
"""

import collections
import concurrent.futures
import contextlib
import itertools
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool

from trainer import environment, errors
from trainer.data import process_pool
from trainer.data.inspect_plan import Plan, Task
from trainer.data.survey import Chunk

# Fewer records than this are read sooner than worker processes start.
MIN_RECORDS_FOR_WORKERS = 1000
# Each worker holds a TensorFlow, about 400 MB.
MAX_WORKERS = 16
# Tasks that are under way, a worker: enough that none waits for the next.
TASKS_PER_WORKER = 4

Chunks = Generator[tuple[Task, Chunk], None, None]


def read(plan: Plan) -> Chunks:
    """Reads all records, once; whoever breaks off has to close what is returned.

    Args:
        plan: Of the reading. On return it knows how many records there are, or what to
            expect.

    Returns:
        Generator of the tasks in order, each with what was found.

    Raises:
        StorageError: If a file can't be read; also while chunks are taken.
        DataError: If a worker process died; while chunks are taken.
    """
    rest = iter(plan)
    tasks = itertools.chain(list(itertools.islice(rest, 1)), rest)
    if plan.num_records >= MIN_RECORDS_FOR_WORKERS:
        return _read_in_pool(plan, tasks)
    return _read_here(plan, tasks)


def _read_here(plan: Plan, tasks: Iterable[Task]) -> Chunks:
    _import_reader()
    from trainer.data import record_reader

    try:
        for task in tasks:
            chunk = _read(task)
            plan.finish(task)
            yield task, chunk
    finally:
        record_reader.close_files()


def _read_in_pool(plan: Plan, tasks: Iterable[Task]) -> Chunks:
    """Yields chunks in order; some are read ahead."""
    num_workers = min(MAX_WORKERS, environment.num_cores())
    waiting: collections.deque[tuple[Task, concurrent.futures.Future[Chunk]]]
    waiting = collections.deque()
    with process_pool.opened(num_workers, _import_reader) as pool:
        try:
            for task in tasks:
                waiting.append((task, _submit(pool, plan, task)))
                if len(waiting) > num_workers * TASKS_PER_WORKER:
                    yield _take(*waiting.popleft())
            while waiting:
                yield _take(*waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _submit(
    pool: concurrent.futures.ProcessPoolExecutor, plan: Plan, task: Task
) -> concurrent.futures.Future[Chunk]:
    with _naming_dead(task):
        future = pool.submit(_read, task)
    # Not when the chunk's turn comes: the plan may wait for the file's room before.
    future.add_done_callback(lambda _: plan.finish(task))
    return future


def _take(task: Task, future: concurrent.futures.Future[Chunk]) -> tuple[Task, Chunk]:
    with _naming_dead(task):
        return task, future.result()


@contextlib.contextmanager
def _naming_dead(task: Task) -> Iterator[None]:
    """Says where a worker process was when it died."""
    try:
        yield
    except BrokenProcessPool as error:
        raise errors.DataError(
            f"A process that read {task.path} died near records {task.start} to "
            f"{task.stop - 1}, probably for lack of memory; give it more, or leave the "
            "largest pictures out."
        ) from error


def _import_reader() -> None:
    with environment.importing_tensorflow():
        from trainer.data import record_reader  # noqa: F401 - imported to be there


def _read(task: Task) -> Chunk:
    from trainer.data import record_reader

    return record_reader.read_chunk(task.path, task.local_path, task.start, task.stop)
