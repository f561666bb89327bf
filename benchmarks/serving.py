r"""Milliseconds of an answer of the exported model, beside Keras' own export.

    python benchmarks/serving.py --images_dir=clothing
    python benchmarks/serving.py --images_dir=clothing --model_types=resnet-50 \
      --batch_sizes=1,8,32

`ours` is the SavedModel that a job leaves, as `serve` has it answer; `ours loaded` is
the same file, and TensorFlow as it is. `keras export` holds the same layers and
weights, written by keras.export.ExportArchive, behind the same preprocessing; `keras
applications` is that library's model written so. `torch` (eager, compiled) and `onnx
runtime` are timm's network of the same layers, behind torchvision's decoding. All
answer from the same JPEG files, in a process each, in turns; figures are medians over
the answers of all rounds.
"""

import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import peer_pythons
import photographs
import turns

NUM_CLASSES = 1000
# The peers have these.
KERAS_NAMES = {"efficientnet-b0": "EfficientNetB0", "resnet-50": "ResNet50"}
MODES = ("ours", "ours loaded", "keras export", "keras applications")
# Name to the mode of answer_torch.py.
TORCH_MODES = {
    "torch eager": "eager",
    "torch compile": "compile",
    "onnx runtime": "onnxruntime",
}
HERE = pathlib.Path(__file__).resolve().parent
WARM_UP_ANSWERS = 3


def main(argv: Sequence[str]) -> int:
    """Prints a Markdown table, or, in a process of one measurement, one number."""
    flags = _parse(argv)
    if flags.export_dir:
        _export(flags.measure, flags.model_types, flags.export_dir)
        return 0
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
    parser.add_argument(
        "--images_dir",
        type=pathlib.Path,
        required=True,
        help="photographs, of which the first are sent",
    )
    parser.add_argument("--model_types", default="efficientnet-b0", help="a comma list")
    parser.add_argument("--batch_sizes", default="1,8", help="a comma list")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind")
    parser.add_argument(
        "--seconds", type=float, default=8, help="length of one measurement"
    )
    peer_pythons.add_flag(parser)
    parser.add_argument("--measure", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--export_dir", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _compare(flags: argparse.Namespace, model_type: str, batch_size: int) -> None:
    shared = (f"--images_dir={flags.images_dir}", f"--seconds={flags.seconds}")
    commands = {
        mode: [
            *(sys.executable, __file__, f"--measure={mode}", *shared),
            *(f"--model_types={model_type}", f"--batch_sizes={batch_size}"),
        ]
        for mode in MODES
        if mode != "keras applications" or model_type in KERAS_NAMES
    }
    if model_type in KERAS_NAMES:
        torch = peer_pythons.find("torch", flags.peers_dir)
        commands |= {
            name: [
                *(torch, str(HERE / "answer_torch.py"), f"--mode={mode}", *shared),
                *(f"--model_type={model_type}", f"--batch_size={batch_size}"),
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
    encoded = photographs.read(flags.images_dir, int(flags.batch_sizes))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        export_dir = os.path.join(folder, "model")
        command = [sys.executable, __file__, f"--images_dir={flags.images_dir}"]
        command += [f"--model_types={flags.model_types}"]
        command += [f"--measure={flags.measure}", f"--export_dir={export_dir}"]
        # A process that answers has computed nothing before.
        subprocess.run(command, check=True)
        if flags.measure == "ours":
            answer = _open_service(export_dir, encoded, stack)
        else:
            answer = _load(export_dir, encoded)
        return statistics.median(_time(answer, flags.seconds))


def _open_service(
    export_dir: str, encoded: Sequence[bytes], stack: contextlib.ExitStack
) -> Callable[[], Any]:
    """What answers a request of `serve`, behind HTTP."""
    from trainer import config
    from trainer.serving.predictor import Predictor
    from trainer.serving.server import serve
    from trainer.serving.server.metrics import Metrics
    from trainer.serving.server.service import Service

    job = config.ServeConfig()
    service = Service(job, Metrics())
    num_workers = serve.share_processors(job)
    service.open(Predictor(export_dir), num_workers=num_workers)
    stack.callback(service.close)
    return lambda: service.submit(encoded).result()


def _load(export_dir: str, encoded: Sequence[bytes]) -> Callable[[], Any]:
    import tensorflow as tf

    model = tf.saved_model.load(export_dir)
    function = model.signatures["serving_default"]
    arguments = {"image_bytes": tf.constant(encoded)}
    if "key" in function.structured_input_signature[1]:
        arguments["key"] = tf.fill([len(encoded)], "")
    # The model is kept, for its variables.
    return lambda _=model: function(**arguments)["probabilities"].numpy()


def _time(answer: Callable[[], Any], seconds: float) -> list[float]:
    for _ in range(WARM_UP_ANSWERS):
        answer()
    millis: list[float] = []
    end = time.perf_counter() + seconds
    while (started_at := time.perf_counter()) < end:
        answer()
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
    if mode.startswith("ours"):
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
