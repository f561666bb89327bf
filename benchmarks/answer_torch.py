"""Answers of timm's networks: PyTorch, torch.compile, ONNX Runtime on the same weights.

A process of benchmarks/serving.py, in a Python that has them. Pictures are decoded and
resized by torchvision; the last line is the median milliseconds of an answer.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import onnxruntime
import photographs
import timm
import torch
import torchvision

NAMES = {"efficientnet-b0": "efficientnet_b0", "resnet-50": "resnet50"}
MODES = ("eager", "compile", "onnxruntime")
WARM_UP_ANSWERS = 3
SIDE = 224
NUM_CLASSES = 1000
MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1) * 255
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1) * 255


def main(argv: Sequence[str]) -> int:
    """Prints milliseconds."""
    flags = _parse(argv)
    encoded = [
        torch.frombuffer(bytearray(one), dtype=torch.uint8)
        for one in photographs.read(flags.images_dir, flags.batch_size)
    ]
    network = _build_network(flags.model_type, flags.mode)

    def answer() -> Any:
        return network(torch.cat([_decode(one) for one in encoded]))

    with torch.inference_mode():
        print(statistics.median(_time(answer, flags.seconds)))
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images_dir", type=pathlib.Path, required=True)
    parser.add_argument("--model_type", choices=NAMES, required=True)
    parser.add_argument("--batch_size", type=int, required=True)
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    return parser.parse_args(argv)


def _decode(encoded: Any) -> Any:
    pixels = torchvision.io.decode_jpeg(encoded, torchvision.io.ImageReadMode.RGB)
    side = min(pixels.shape[1:])
    square = torchvision.transforms.functional.center_crop(pixels, [side, side])
    resized = torch.nn.functional.interpolate(
        square[None].float(), (SIDE, SIDE), mode="bicubic"
    )
    return (resized - MEAN) / DEVIATION


def _build_network(model_type: str, mode: str) -> Callable[[Any], Any]:
    model = timm.create_model(NAMES[model_type], num_classes=NUM_CLASSES).eval()
    if mode == "onnxruntime":
        return _open_onnx(model)
    model = model.to(memory_format=torch.channels_last)
    forward: Any = torch.compile(model) if mode == "compile" else model
    return lambda images: forward(
        images.contiguous(memory_format=torch.channels_last)
    ).softmax(1)


def _open_onnx(model: Any) -> Callable[[Any], Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.onnx")
        batch = torch.export.Dim("batch")
        torch.onnx.export(
            model,
            (torch.zeros(2, 3, SIDE, SIDE),),
            path,
            input_names=["images"],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            verbose=False,
        )
        session = onnxruntime.InferenceSession(path)
    return lambda images: torch.from_numpy(
        session.run(None, {"images": images.numpy()})[0]
    ).softmax(1)


def _time(answer: Callable[[], Any], seconds: float) -> list[float]:
    for _ in range(WARM_UP_ANSWERS):
        answer()
    millis: list[float] = []
    end = time.perf_counter() + seconds
    while (started_at := time.perf_counter()) < end:
        answer()
        millis.append(1000 * (time.perf_counter() - started_at))
    return millis


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
