import pytest

from trainer.training import loop


class FakeJob:
    def __init__(self, start_step=0, evaluated=()):
        self.step = start_step
        self.evaluated = set(evaluated)
        self.events = []

    def train(self, to_step):
        self.events.append(f"train {self.step}-{to_step}")
        self.step = to_step
        return to_step

    def evaluate(self):
        self.events.append("evaluate")
        return {"top_1_accuracy": self.step / 100}

    def run(self, max_steps, steps_per_eval, actions=()):
        eval_steps = loop.plan_evaluations(
            start_step=self.step,
            max_steps=max_steps,
            steps_per_eval=steps_per_eval,
            is_evaluated=self.evaluated.__contains__,
        )
        return loop.train_and_evaluate(
            train=self.train,
            evaluate=self.evaluate,
            eval_steps=eval_steps,
            actions=actions,
        )


def plan(start_step, max_steps, steps_per_eval, evaluated=()):
    return list(
        loop.plan_evaluations(
            start_step=start_step,
            max_steps=max_steps,
            steps_per_eval=steps_per_eval,
            is_evaluated=set(evaluated).__contains__,
        )
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0, 10, 4), [4, 8, 10]),
        ((0, 8, 4), [4, 8]),
        ((0, 3, 10), [3]),
        ((5, 10, 4), [8, 10]),
        ((4, 10, 4, [4]), [8, 10]),
        ((4, 10, 4), [4, 8, 10]),
        ((10, 10, 4), [10]),
        ((10, 10, 4, [10]), []),
        ((12, 10, 4, [12]), []),
    ],
    ids=[
        "last one at the end",
        "end at a multiple",
        "short job",
        "resumed between",
        "resumed at an evaluation",
        "killed in an evaluation",
        "killed in the last evaluation",
        "finished",
        "max_steps lowered",
    ],
)
def test_evaluations_are_where_an_uninterrupted_job_has_them(arguments, expected):
    assert plan(*arguments) == expected


def test_actions_follow_each_evaluation_in_order():
    job = FakeJob()
    job.run(
        8,
        4,
        actions=[
            lambda step, metrics: job.events.append(f"first {step} {metrics}"),
            lambda step, _: job.events.append(f"second {step}"),
        ],
    )
    assert job.events == [
        "train 0-4",
        "evaluate",
        "first 4 {'top_1_accuracy': 0.04}",
        "second 4",
        "train 4-8",
        "evaluate",
        "first 8 {'top_1_accuracy': 0.08}",
        "second 8",
    ]


def test_a_finished_job_only_evaluates():
    job = FakeJob(start_step=8, evaluated=[4, 8])
    acted = []
    metrics = job.run(8, 4, actions=[lambda step, _: acted.append(step)])
    assert job.events == ["evaluate"]
    assert (metrics, acted) == ({"top_1_accuracy": 0.08}, [])


def test_a_job_that_is_done_trains_no_more():
    job = FakeJob()
    metrics = loop.train_and_evaluate(
        train=job.train,
        evaluate=job.evaluate,
        eval_steps=[4, 8, 12],
        is_done=lambda: job.step >= 8,
    )
    assert job.events == ["train 0-4", "evaluate", "train 4-8", "evaluate"]
    assert metrics == {"top_1_accuracy": 0.08}


def test_an_evaluation_is_of_the_step_that_was_reached():
    acted = []
    loop.train_and_evaluate(
        train=lambda step: step - 1,
        evaluate=dict,
        eval_steps=[4],
        actions=[lambda step, _: acted.append(step)],
    )
    assert acted == [3]
