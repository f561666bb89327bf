"""Milliseconds of an answer of the exported model, beside Keras' own export.

    python benchmarks/serving.py
    python benchmarks/serving.py --model_types=resnet-50 --batch_sizes=1,8,32

`ours` is the SavedModel that a job leaves. `keras export` holds the same layers and
weights, written by keras.export.ExportArchive, behind the same preprocessing; `keras
applications` is that library's model written so. `torch` (eager, compiled) and `onnx
runtime` are timm's network of the same layers, behind torchvision's decoding. All
answer from JPEG bytes, in a process each, in turns; figures are medians over the
answers of all rounds.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import peer_pythons
import turns

NUM_CLASSES = 1000
# The peers have these.
KERAS_NAMES = {"efficientnet-b0": "EfficientNetB0", "resnet-50": "ResNet50"}
MODES = ("ours", "keras export", "keras applications")
# Name to the mode of answer_torch.py.
TORCH_MODES = {
    "torch eager": "eager",
    "torch compile": "compile",
    "onnx runtime": "onnxruntime",
}
HERE = pathlib.Path(__file__).resolve().parent
WARM_UP_ANSWERS = 3
# Of the clothing photographs; any picture takes the same way.
PHOTO_SHAPE = (533, 400, 3)


def main(argv: Sequence[str]) -> int:
    """Prints a Markdown table, or, in a process of one measurement, one number."""
    flags = _parse(argv)
    if flags.measure:
        print(_measure(flags))
        return 0
    print(turns.describe_machine())
    print("\n| model | batch | export | ms an answer | min-max | times ours |")
    print("|---|---|---|---|---|---|")
    for model_type in flags.model_types.split(","):
        for batch_size in map(int, flags.batch_sizes.split(",")):
            _compare(flags, model_type, batch_size)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model_types", default="efficientnet-b0", help="a comma list")
    parser.add_argument("--batch_sizes", default="1,8", help="a comma list")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind")
    parser.add_argument(
        "--seconds", type=float, default=8, help="length of one measurement"
    )
    peer_pythons.add_flag(parser)
    parser.add_argument("--measure", choices=MODES, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _compare(flags: argparse.Namespace, model_type: str, batch_size: int) -> None:
    commands = {
        mode: [
            *(sys.executable, __file__, f"--model_types={model_type}"),
            *(f"--batch_sizes={batch_size}", f"--seconds={flags.seconds}"),
            f"--measure={mode}",
        ]
        for mode in MODES
        if mode != "keras applications" or model_type in KERAS_NAMES
    }
    if model_type in KERAS_NAMES:
        torch = peer_pythons.find("torch", flags.peers_dir)
        commands |= {
            name: [
                *(torch, str(HERE / "answer_torch.py"), f"--model_type={model_type}"),
                *(f"--batch_size={batch_size}", f"--seconds={flags.seconds}"),
                f"--mode={mode}",
            ]
            for name, mode in TORCH_MODES.items()
        }
    found = turns.measure_in_turns(commands, rounds=flags.rounds)
    ours = statistics.median(found["ours"])
    for mode, millis in found.items():
        median = statistics.median(millis)
        print(
            f"| {model_type} | {batch_size} | {mode} | {median:.1f} | "
            f"{min(millis):.1f}-{max(millis):.1f} | {median / ours:.2f} |",
            flush=True,
        )


def _measure(flags: argparse.Namespace) -> float:
    """The median milliseconds of an answer, in this process."""
    from trainer import environment

    if flags.measure == "ours":
        # As the process of `serve` begins; the peers have their own defaults.
        environment.keep_freed_memory()
        environment.prefer_onednn()
    import numpy as np
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, PHOTO_SHAPE, np.uint8)
    encoded = tf.constant([tf.io.encode_jpeg(pixels).numpy()] * int(flags.batch_sizes))
    with tempfile.TemporaryDirectory() as folder:
        export_dir = os.path.join(folder, "model")
        _export(flags.measure, flags.model_types, export_dir)
        function = tf.saved_model.load(export_dir).signatures["serving_default"]
        arguments = {"image_bytes": encoded}
        if flags.measure == "ours":
            arguments["key"] = tf.fill(tf.shape(encoded), "")
        return statistics.median(_time(function, arguments, flags.seconds))


def _time(function: Any, arguments: dict[str, Any], seconds: float) -> list[float]:
    for _ in range(WARM_UP_ANSWERS):
        function(**arguments)
    millis: list[float] = []
    end = time.perf_counter() + seconds
    while (started_at := time.perf_counter()) < end:
        function(**arguments)["probabilities"].numpy()
        millis.append(1000 * (time.perf_counter() - started_at))
    return millis


def _export(mode: str, model_type: str, export_dir: str) -> None:
    from trainer.config import MODEL_IMAGE_SIZES
    from trainer.models import factory
    from trainer.serving import export

    image_size = MODEL_IMAGE_SIZES[model_type]
    if mode == "keras applications":
        import keras

        build = getattr(keras.applications, KERAS_NAMES[model_type])
        _export_with_keras(build(weights=None), export_dir, image_size)
        return
    model = factory.build_model(
        model_type,
        num_classes=NUM_CLASSES,
        image_size=image_size,
        precision="float32",
        seed=0,
    )
    if mode == "ours":
        export.export_saved_model(
            model, export_dir, image_size=image_size, num_classes=NUM_CLASSES
        )
    else:
        _export_with_keras(model, export_dir, image_size)


def _export_with_keras(model: Any, export_dir: str, image_size: int) -> None:
    """Writes a model behind our preprocessing, as Keras' guides show it."""
    import keras
    import tensorflow as tf

    from trainer.data import images

    def serve(image_bytes: Any) -> dict[str, Any]:
        pixels = tf.map_fn(
            lambda one: images.decode_for_evaluation(one, image_size=image_size),
            image_bytes,
            fn_output_signature=tf.TensorSpec([image_size, image_size, 3], tf.float32),
        )
        rows = model(pixels, training=False)
        return {"probabilities": tf.nn.softmax(rows), "classes": tf.argmax(rows, 1)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = [tf.TensorSpec([None], tf.string, name="image_bytes")]
    archive.add_endpoint("serving_default", serve, input_signature=signature)
    archive.write_out(export_dir, verbose=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
