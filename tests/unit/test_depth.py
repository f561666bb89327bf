import pytest

from trainer.models import depth, factory


@pytest.mark.parametrize(
    ("model_type", "num_blocks"), [("efficientnet-lite0", 16), ("resnet-18", 8)]
)
def test_blocks_are_counted_from_the_logits_down(model_type, num_blocks):
    model = factory.build_model(
        model_type, num_classes=3, image_size=32, precision="float32", seed=0
    )
    counts = depth.count_blocks_above(model)
    assert counts[-2:] == [0, 0]
    assert counts == sorted(counts, reverse=True)
    # EfficientNet has a convolution between its last block and the logits.
    num_tops = int(model_type.startswith("efficientnet"))
    assert sorted(set(counts)) == list(range(num_blocks + num_tops + 2))


def test_the_head_is_kernel_and_bias():
    model = factory.build_model(
        "resnet-18", num_classes=3, image_size=32, precision="float32", seed=0
    )
    head = depth.list_head_variables(model)
    assert [one.path for one in head] == ["predictions/kernel", "predictions/bias"]
