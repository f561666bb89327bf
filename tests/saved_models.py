"""Small SavedModels that tests export for themselves."""

import keras
import numpy as np
import pytest

from trainer.models import normalization
from trainer.serving import export

IMAGE_SIZE = 32
LABELS = ("red", "green", "blue")


def build_model(num_classes=3):
    """Sums each colour: pictures of `pictures.draw_class` get their own class."""
    model = keras.Sequential(
        [
            keras.Input([IMAGE_SIZE, IMAGE_SIZE, 3]),
            normalization.Normalize(normalization.IMAGENET),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(num_classes),
        ]
    )
    # Labels 0, 1 and 2 are red, green and blue pictures.
    model.layers[-1].kernel.assign(np.eye(3, num_classes))
    return model


def write(model_dir, *, labels=LABELS, num_classes=3):
    """Exports the model, with labels.txt unless `labels` is None."""
    export.export_saved_model(
        build_model(num_classes),
        str(model_dir),
        image_size=IMAGE_SIZE,
        num_classes=num_classes,
    )
    if labels is not None:
        (model_dir / "labels.txt").write_text("".join(f"{name}\n" for name in labels))
    return str(model_dir)


@pytest.fixture(scope="session")
def colour_model_dir(tmp_path_factory):
    """A SavedModel that tells red (class 0), green and blue pictures apart."""
    return write(tmp_path_factory.mktemp("job") / "model")
