import dataclasses

import pytest

from trainer import config, flags
from trainer.training import recipe

COMMAND = [
    "--training_data_path=a",
    "--validation_data_path=b",
    "--job-dir=c",
    "--num_classes=5",
    "--max_steps=1000",
]
PRETRAINED = "--pretrained_checkpoint_path=weights.pth"


FACTS = recipe.Facts(num_images=3000, has_gpu=False)


def complete(*argv, facts=FACTS):
    return recipe.complete(parse(*argv), facts)


def parse(*argv):
    return flags.parse([*COMMAND, *argv], config.TrainConfig)


def test_without_pretrained_weights_nothing_changes():
    job = parse()
    assert recipe.complete(job, FACTS) == dataclasses.replace(job, fine_tune="full")


@pytest.mark.parametrize(
    "flag",
    ["--initial_learning_rate=0.0001", "--optimizer_type=momentum", "--warmup_steps=0"],
)
def test_a_learning_rate_of_the_users_keeps_all_documented_meanings(flag):
    job = parse(PRETRAINED, flag)
    assert recipe.complete(job, FACTS) == dataclasses.replace(job, fine_tune="full")


@pytest.mark.parametrize("kind", ["full", "head", "gradual"])
def test_what_is_asked_for_is_done_without_more(kind):
    job = parse(PRETRAINED, f"--fine_tune={kind}")
    assert recipe.complete(job, FACTS) == job


def test_pretrained_weights_have_a_recipe(caplog):
    caplog.set_level("INFO")
    job = complete(PRETRAINED)
    assert (job.fine_tune, job.optimizer_type) == ("gradual", "adam")
    assert job.freezes_batch_norm
    assert job.warmup_steps == 100
    # Without it the same job, and no recipe any more.
    pasted = caplog.messages[-1].partition("by hand: ")[2].split()
    assert complete(PRETRAINED, *pasted) == job


def test_a_saved_model_is_pretrained():
    job = complete("--model_type=hub", "--hub_handle=a", "--recipe=auto")
    assert (job.fine_tune, job.optimizer_type) == ("gradual", "adam")
    assert job.survival_prob is None
    assert job.max_steps == 1000


def test_the_recipe_takes_the_place_of_defaults_only():
    job = complete(PRETRAINED, "--weight_decay=0.0001")
    assert job.fine_tune == "gradual"
    assert job.weight_decay == 0.0001


def test_larger_batches_have_larger_rates():
    small, large = (
        complete(PRETRAINED, f"--train_batch_size={size}") for size in (32, 128)
    )
    assert large.initial_learning_rate == 2 * small.initial_learning_rate


AUTO = "--recipe=auto"


def complete_auto(*argv, facts=FACTS):
    command = [one for one in COMMAND if not one.startswith("--max_steps")]
    return recipe.complete(
        flags.parse([*command, AUTO, *argv], config.TrainConfig), facts
    )


def test_auto_takes_epochs_where_there_is_no_time_limit():
    job = complete_auto(PRETRAINED)
    assert job.max_steps == -(-10 * 3000 // 32)
    assert job.image_size is None
    assert job.fine_tune == "gradual"
    assert complete_auto().max_steps > job.max_steps


def test_auto_against_the_clock_leaves_the_steps_to_the_plan():
    job = complete_auto(PRETRAINED, "--max_minutes=10")
    assert (job.max_steps, job.warmup_steps) == (None, 50)


def test_auto_on_a_gpu_has_larger_batches():
    job = complete_auto(facts=FACTS._replace(has_gpu=True))
    assert job.train_batch_size == 128


@pytest.mark.parametrize(("num_images", "expected"), [(5, 1), (100, 8), (10**6, 32)])
def test_little_data_has_small_batches(num_images, expected):
    job = complete_auto(facts=FACTS._replace(num_images=num_images))
    assert job.train_batch_size == expected


@pytest.mark.parametrize(
    ("num_images", "num_replicas", "expected"),
    [(3000, 4, 32), (10, 8, 8), (3000, 3, 33), (5, 2, 2)],
)
def test_replicas_share_the_batch_equally(num_images, num_replicas, expected):
    facts = FACTS._replace(num_images=num_images, num_replicas=num_replicas)
    assert complete_auto(facts=facts).train_batch_size == expected


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([AUTO], True),
        ([AUTO, PRETRAINED], True),
        ([PRETRAINED], False),
        ([AUTO, "--initial_learning_rate=0.1"], False),
        ([AUTO, PRETRAINED, "--fine_tune=full"], False),
    ],
)
def test_a_rate_that_the_recipe_chose_is_tested(argv, expected):
    assert recipe.finds_rate(parse(*argv)) == expected


def test_auto_from_scratch_has_a_rate_that_goes_with_the_batch():
    job = complete_auto()
    assert (job.optimizer_type, job.fine_tune) == ("momentum", "full")
    assert job.initial_learning_rate == 0.05
    assert job.warmup_steps == round(0.1 * job.max_steps)


def test_auto_leaves_what_is_given(caplog):
    caplog.set_level("INFO")
    argv = ["--max_steps=7", "--train_batch_size=4", "--initial_learning_rate=0.0001"]
    job = complete_auto(*argv)
    assert (job.max_steps, job.train_batch_size) == (7, 4)
    assert job.initial_learning_rate == 0.0001
    assert not caplog.messages


def test_auto_can_be_pasted(caplog):
    caplog.set_level("INFO")
    job = complete_auto(PRETRAINED)
    pasted = caplog.messages[-1].partition("by hand: ")[2].split()
    again = complete_auto(PRETRAINED, *pasted)
    assert again == job
    assert all("--" in message for message in caplog.messages)
