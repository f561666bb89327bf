"""The knob of the model that answers, which several words have."""

from typing import Any

from trainer.config.knobs import knob


def model_dir_knob() -> Any:
    """Declares `model_dir`."""
    return knob(
        "",
        "Folder with saved_model.pb, such as JOB_DIR/model, local or gs://.",
        required=True,
    )
