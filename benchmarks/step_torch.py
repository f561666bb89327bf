"""Steps of timm's networks on PyTorch's CPU, in a Python that has both."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import stopwatch
import timm
import torch
from stopwatch import Case

# timm's names, to which torchvision's networks of these types are equal in layers.
NAMES = {
    "efficientnet-b0": "efficientnet_b0",
    "efficientnet-b4": "efficientnet_b4",
    "resnet-18": "resnet18",
    "resnet-50": "resnet50",
}
MODES = ("float32", "channels_last", "bf16", "compile", "compile-bf16")


def main(argv: Sequence[str]) -> int:
    """Prints images a second."""
    flags = stopwatch.parse(argv, MODES)
    step = _build_step(flags.case, flags.mode)
    size = flags.case.batch_size
    print(stopwatch.images_a_second(step, batch_size=size, seconds=flags.seconds))
    return 0


def _build_step(case: Case, mode: str) -> Callable[[], Any]:
    torch.manual_seed(0)
    model = timm.create_model(
        NAMES[case.model_type], num_classes=stopwatch.NUM_CLASSES
    ).train()
    images = torch.rand(case.batch_size, 3, case.image_size, case.image_size)
    if mode != "float32":
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(0, stopwatch.NUM_CLASSES, (case.batch_size,))
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    forward: Any = torch.compile(model) if "compile" in mode else model

    def take_step() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in mode):
            loss = torch.nn.functional.cross_entropy(forward(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return take_step


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
