import pytest

from trainer import config, errors
from trainer.training import limits
from trainer.training.cluster import Cluster

PAIR = Cluster(("one:2222", "two:2222"))


def build(**flags):
    return config.TrainConfig(num_classes=2, max_steps=10, **flags)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"max_minutes": 10.0}, "--max_minutes=10 plans"),
        ({"mixup_alpha": 0.2}, "--mixup_alpha=0.2 changes a batch"),
        (
            {"cutmix_alpha": 1.0, "random_erasing": 0.25},
            "--cutmix_alpha=1 and --random_erasing=0.25 change a batch",
        ),
    ],
)
def test_what_takes_one_process_is_refused_by_several(flags, named):
    with pytest.raises(errors.ConfigError, match=f"^{named} .*2"):
        limits.check(build(**flags), PAIR)
    limits.check(build(**flags), Cluster())


def test_all_else_is_for_any_number_of_processes():
    limits.check(
        build(fine_tune="gradual", moving_average_decay=0.9, early_stopping_evals=2),
        PAIR,
    )
