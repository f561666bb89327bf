"""A plain fit of keras.applications' EfficientNetB0 from scratch, for some minutes.

A process of benchmarks/accuracy.py; its last line is validation and test accuracy.
"""

import argparse
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

import keras

SIDE, BATCH_SIZE = 224, 32


class _Deadline(keras.callbacks.Callback):
    """Ends the fit in time and keeps the weights that were best on validation."""

    def __init__(self, minutes: float) -> None:
        super().__init__()
        self._end = time.monotonic() + 60 * minutes
        self._epoch_secs = 0.0
        self.best, self.weights = 0.0, None

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._begin = time.monotonic()

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        if time.monotonic() > self._end:
            self.model.stop_training = True

    def on_epoch_end(self, _: int, logs: dict[str, float] | None = None) -> None:
        if logs and logs["val_accuracy"] >= self.best:
            self.best, self.weights = logs["val_accuracy"], self.model.get_weights()
        if time.monotonic() > self._end:
            self.model.stop_training = True


def main(argv: Sequence[str]) -> int:
    """Trains, and scores the best epoch."""
    flags = _parse(argv)
    keras.utils.set_random_seed(flags.seed)
    deadline = _Deadline(flags.minutes)
    model = keras.Sequential(
        [
            keras.Input([SIDE, SIDE, 3]),
            keras.layers.RandomFlip("horizontal"),
            keras.applications.EfficientNetB0(weights=None, classes=10),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        _read(flags.images_dir / "train", shuffle=True),
        validation_data=_read(flags.images_dir / "validation", shuffle=False),
        epochs=1_000,
        callbacks=[deadline],
        verbose=2,
    )
    model.set_weights(deadline.weights)
    test = model.evaluate(_read(flags.images_dir / "test", shuffle=False), verbose=0)
    print(deadline.best, test[1])
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images_dir", type=pathlib.Path, required=True)
    parser.add_argument("--weights", help="of no use here")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    return parser.parse_args(argv)


def _read(path: pathlib.Path, *, shuffle: bool) -> Any:
    return keras.utils.image_dataset_from_directory(
        path,
        image_size=(SIDE, SIDE),
        batch_size=BATCH_SIZE,
        shuffle=shuffle,
        crop_to_aspect_ratio=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
