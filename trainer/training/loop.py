"""The outer loop: train to an evaluation, evaluate, act. Knows no TensorFlow."""

from collections.abc import Callable, Iterable, Iterator

Metrics = dict[str, float]
Action = Callable[[int, Metrics], None]


def train_and_evaluate(
    *,
    train: Callable[[int], int],
    evaluate: Callable[[], Metrics],
    eval_steps: Iterable[int],
    actions: Iterable[Action] = (),
    is_done: Callable[[], bool] = lambda: False,
) -> Metrics:
    """Trains to each step of `eval_steps` in turn and evaluates there.

    Args:
        train: Trains up to the given step, does nothing if it is already reached, and
            returns the step that was reached: another one if time was over.
        evaluate: Scores the current weights.
        eval_steps: Steps to evaluate at, rising; none if the job was finished before.
        actions: Called in order with (step, metrics) after each evaluation.
        is_done: Asked before each training: whether the job ends with what it has.

    Returns:
        Metrics of the last evaluation.
    """
    actions = list(actions)
    metrics = Metrics()
    for planned_step in eval_steps:
        if is_done():
            break
        step = train(planned_step)
        metrics = evaluate()
        for action in actions:
            action(step, metrics)
    # A finished job that is run again has nothing to do but still reports.
    return metrics or evaluate()


def plan_evaluations(
    *,
    start_step: int,
    max_steps: int,
    steps_per_eval: int,
    is_evaluated: Callable[[int], bool],
) -> Iterator[int]:
    """Yields the multiples of `steps_per_eval` that are left, and `max_steps`.

    A resumed job evaluates at the steps at which an uninterrupted one would have.

    Args:
        start_step: Steps that earlier runs did.
        max_steps: Step to stop at, counted from the first run.
        steps_per_eval: Steps between evaluations, 1 or more.
        is_evaluated: Whether an earlier run evaluated at the given step.
    """
    is_due = start_step > 0 and start_step % steps_per_eval == 0
    if (is_due or start_step == max_steps) and not is_evaluated(start_step):
        yield start_step
    step = start_step
    while step < max_steps:
        step = min((step // steps_per_eval + 1) * steps_per_eval, max_steps)
        yield step
