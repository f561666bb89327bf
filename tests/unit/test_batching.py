import concurrent.futures
import contextlib
import threading

import pytest

from trainer.serving.server import batching


class Model:
    """Doubles numbers, once it may; remembers its batches."""

    def __init__(self):
        self.batches = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.began = threading.Semaphore(0)

    def __call__(self, items):
        self.batches.append(list(items))
        self.began.release()
        assert self.may_answer.wait(30)
        if "bad" in items:
            raise ValueError("a bug")
        return [2 * item for item in items]


@pytest.fixture
def model():
    return Model()


@contextlib.contextmanager
def running(model, **settings):
    defaults = {"num_workers": 1, "max_batch_size": 4, "max_queue": 100}
    batcher = batching.Batcher(model, **{**defaults, **settings})
    try:
        yield batcher
    finally:
        model.may_answer.set()
        batcher.close()


def occupy(batcher, model):
    """Gives the model a first item, so that what follows waits."""
    model.may_answer.clear()
    first = batcher.submit([0])
    assert model.began.acquire(timeout=30)
    model.batches.clear()
    return first


def test_answers_come_in_the_order_of_a_requests_items(model):
    with running(model) as batcher:
        assert batcher.submit([3, 1, 2]).result(30) == [6, 2, 4]


def test_what_waits_becomes_one_batch(model):
    with running(model) as batcher:
        occupy(batcher, model)
        futures = [batcher.submit([item]) for item in (1, 2, 3)]
        model.may_answer.set()
        assert [future.result(30) for future in futures] == [[2], [4], [6]]
    assert model.batches == [[1, 2, 3]]


def test_a_batch_has_at_most_its_size_and_requests_may_be_split(model):
    with running(model) as batcher:
        occupy(batcher, model)
        first, second = batcher.submit([1, 2, 3]), batcher.submit([4, 5, 6])
        model.may_answer.set()
        assert first.result(30) == [2, 4, 6]
        assert second.result(30) == [8, 10, 12]
    assert model.batches == [[1, 2, 3, 4], [5, 6]]


def test_an_idle_model_answers_at_once(model):
    with running(model) as batcher:
        assert batcher.submit([1]).result(30) == [2]
        assert batcher.submit([2]).result(30) == [4]
    assert model.batches == [[1], [2]]


def test_beyond_the_queue_nothing_of_a_request_is_taken(model):
    with running(model, max_queue=3) as batcher:
        occupy(batcher, model)
        kept = batcher.submit([1, 2])
        with pytest.raises(batching.QueueFullError):
            batcher.submit([3, 4])
        assert batcher.num_waiting == 2
        batcher.submit([5])
        model.may_answer.set()
        assert kept.result(30) == [2, 4]


def test_an_error_reaches_its_batch_only_and_the_next_is_answered(model):
    with running(model) as batcher:
        occupy(batcher, model)
        bad = batcher.submit(["bad"])
        model.may_answer.set()
        with pytest.raises(ValueError, match="a bug"):
            bad.result(30)
        assert batcher.submit([1]).result(30) == [2]


def test_the_end_answers_what_was_taken_and_takes_no_more(model):
    with running(model) as batcher:
        futures = [occupy(batcher, model)]
        futures += [batcher.submit([item]) for item in range(1, 20)]
        closing = threading.Thread(target=batcher.close)
        closing.start()
        while not batcher._is_closed:
            pass
        with pytest.raises(batching.ClosedError):
            batcher.submit([1])
        model.may_answer.set()
        closing.join(30)
        assert all(future.done() for future in futures)


def test_a_client_that_goes_away_leaves_its_neighbours_answers(model):
    with running(model) as batcher:
        occupy(batcher, model)
        gone, stays = batcher.submit([1]), batcher.submit([2])
        gone.cancel()
        model.may_answer.set()
        assert stays.result(30) == [4]


def test_a_free_worker_takes_what_comes_while_another_is_at_work(model):
    with running(model, num_workers=2) as batcher:
        occupy(batcher, model)
        later = batcher.submit([1])
        assert model.began.acquire(timeout=30)
        assert not later.done()
        model.may_answer.set()
        assert later.result(30) == [2]


def test_free_workers_share_a_request(model):
    with running(model, num_workers=2) as batcher:
        model.may_answer.clear()
        while batcher._num_idle < 2:
            pass
        request = batcher.submit([1, 2, 3])
        for _ in range(2):
            assert model.began.acquire(timeout=30)
        model.may_answer.set()
        assert request.result(30) == [2, 4, 6]
    assert sorted(model.batches) == [[1, 2], [3]]


def test_the_only_free_worker_takes_all(model):
    with running(model, num_workers=2) as batcher:
        occupy(batcher, model)
        batcher.submit([1, 2, 3])
        assert model.began.acquire(timeout=30)
        assert model.batches == [[1, 2, 3]]


@pytest.mark.parametrize("num_workers", [1, 4])
def test_many_threads_get_their_own_answers(model, num_workers):
    with (
        running(model, max_queue=1000, num_workers=num_workers) as batcher,
        concurrent.futures.ThreadPoolExecutor(16) as pool,
    ):
        found = list(pool.map(lambda n: batcher.submit([n]).result(30), range(3000)))
    assert found == [[2 * number] for number in range(3000)]
