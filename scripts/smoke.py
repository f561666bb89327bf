"""The first five minutes: real pictures in, a model that reads them out.

    PYTHONPATH=. python scripts/smoke.py --work_dir=smoke

Writes scikit-learn's handwritten digits as PNG files, converts them to TFRecord,
trains a small ResNet, loads the SavedModel and lets it read some digits that it has
not seen. Exit code 1 if its accuracy is below 95 %.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence

from trainer import environment

SCRIPTS = pathlib.Path(__file__).resolve().parent
EXPECTED_ACCURACY = 0.95
NUM_CLASSES = 10


def main(argv: Sequence[str]) -> int:
    """Runs all steps and returns the exit code."""
    parser = argparse.ArgumentParser(description="Trains on handwritten digits.")
    parser.add_argument("--work_dir", required=True, help="New folder to write to.")
    work_dir = pathlib.Path(parser.parse_args(argv).work_dir)
    if work_dir.exists():
        print(f"--work_dir={work_dir} exists; remove it or name another.")
        return 1
    _run(os.path.relpath(SCRIPTS / "make_digits.py"), f"--output_dir={work_dir}/digits")
    _run(
        "-m",
        "trainer.task",
        "convert",
        f"--images_dir={work_dir}/digits",
        f"--output_dir={work_dir}/data",
    )
    _run("-m", "trainer.task", *_training_flags(work_dir))
    _predict(work_dir)
    return _judge(work_dir)


def _training_flags(work_dir: pathlib.Path) -> list[str]:
    return [
        f"--training_data_path={work_dir}/data/train-*.tfrecord",
        f"--validation_data_path={work_dir}/data/validation-*.tfrecord",
        f"--job-dir={work_dir}/job",
        f"--num_classes={NUM_CLASSES}",
        "--model_type=resnet-18",
        "--image_size=48",
        "--train_batch_size=64",
        "--max_steps=450",
        "--initial_learning_rate=0.002",
        "--warmup_steps=50",
        "--optimizer_type=adam",
    ]


def _run(*arguments: str) -> None:
    """Shows a command as a user would type it, and runs it."""
    print(f"\n$ python {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, *arguments], check=True)


def _predict(work_dir: pathlib.Path) -> None:
    """Prints what the SavedModel says of one validation picture of each class."""
    environment.quiet_tensorflow()
    with environment.importing_tensorflow():
        import tensorflow as tf

    names = (work_dir / "data" / "labels.txt").read_text().splitlines()
    predict = tf.saved_model.load(str(work_dir / "job" / "model")).signatures[
        "serving_default"
    ]
    print("\nSome of the digits that it has not seen:")
    for name in names:
        path = sorted((work_dir / "digits" / "validation" / name).glob("*.png"))[0]
        answer = predict(
            image_bytes=tf.constant([path.read_bytes()]), key=tf.constant([path.name])
        )
        winner = int(answer["classes"][0])
        share = float(answer["probabilities"][0, winner])
        print(
            f"  {path.name}  is {name:6} read as {names[winner]:6} ({share:.0%} sure)"
        )


def _judge(work_dir: pathlib.Path) -> int:
    """Compares the best accuracy with what is expected."""
    best = json.loads((work_dir / "job" / "metrics.json").read_text())["best"]
    accuracy = best["top_1_accuracy"]
    is_good = accuracy >= EXPECTED_ACCURACY
    print(
        f"\n{'OK' if is_good else 'FAILED'}: top-1 accuracy {accuracy:.1%} on "
        f"{best['num_images']} validation pictures (expected {EXPECTED_ACCURACY:.0%}); "
        f"the model is in {work_dir}/job/model"
    )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
