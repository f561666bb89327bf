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


def parse(*argv):
    return flags.parse([*COMMAND, *argv], config.TrainConfig)


def test_without_pretrained_weights_nothing_changes():
    job = parse()
    assert recipe.complete(job) == dataclasses.replace(job, fine_tune="full")


@pytest.mark.parametrize(
    "flag",
    ["--initial_learning_rate=0.0001", "--optimizer_type=momentum", "--warmup_steps=0"],
)
def test_a_learning_rate_of_the_users_keeps_all_documented_meanings(flag):
    job = parse(PRETRAINED, flag)
    assert recipe.complete(job) == dataclasses.replace(job, fine_tune="full")


@pytest.mark.parametrize("kind", ["full", "head", "gradual"])
def test_what_is_asked_for_is_done_without_more(kind):
    job = parse(PRETRAINED, f"--fine_tune={kind}")
    assert recipe.complete(job) is job


def test_pretrained_weights_have_a_recipe(caplog):
    caplog.set_level("INFO")
    job = recipe.complete(parse(PRETRAINED))
    assert (job.fine_tune, job.optimizer_type) == ("gradual", "adam")
    assert job.freezes_batch_norm
    assert job.warmup_steps == 100
    # Without it the same job, and no recipe any more.
    pasted = caplog.messages[0].partition(": ")[2].split()
    assert recipe.complete(parse(PRETRAINED, *pasted)) == job


def test_the_recipe_takes_the_place_of_defaults_only():
    job = recipe.complete(parse(PRETRAINED, "--weight_decay=0.0001"))
    assert job.fine_tune == "gradual"
    assert job.weight_decay == 0.0001


def test_larger_batches_have_larger_rates():
    small, large = (
        recipe.complete(parse(PRETRAINED, f"--train_batch_size={size}"))
        for size in (32, 128)
    )
    assert large.initial_learning_rate == 2 * small.initial_learning_rate
