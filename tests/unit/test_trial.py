from trainer.jobs import trial


def test_measurements_are_in_order_of_steps_and_the_last_one_counts():
    one = trial.Trial(1, {})
    assert one.objective is None
    assert one.measure({20: 0.5, 10: 0.7})
    assert list(one.measurements) == [10, 20]
    assert one.objective == 0.5


def test_the_same_measurements_are_nothing_new():
    one = trial.Trial(1, {})
    assert not one.measure({})
    assert one.measure({10: 0.7})
    assert not one.measure({10: 0.7})
    # A restarted trial evaluates a step again; what it had before stays.
    assert one.measure({10: 0.8})
    assert one.measurements == {10: 0.8}


def test_it_ends_once_it_is_told_so():
    one = trial.Trial(1, {})
    assert (one.state, one.end_time) == (trial.RUNNING, None)
    one.end(trial.SUCCEEDED, stopped_early=True)
    assert (one.state, one.is_stopped_early) == (trial.SUCCEEDED, True)
    assert 0 <= one.secs < 60
