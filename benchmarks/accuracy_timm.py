"""timm's fine-tuning of tf_efficientnet_lite0 from the same weights, for some minutes.

A process of benchmarks/accuracy.py in a Python that has torch and timm; its last line
is validation and test accuracy. timm's train.py is in no package, so this is what it
does, of timm's own parts: loader, augmentation, optimizer, average of the weights.
"""

import argparse
import copy
import sys
import time
from collections.abc import Sequence
from typing import Any

import timm
import timm.data
import timm.optim
import timm.utils
import torch

MODEL, SIDE, BATCH_SIZE = "tf_efficientnet_lite0", 224, 32
WARM_UP_SHARE = 0.05


def main(argv: Sequence[str]) -> int:
    """Trains, and scores the best epoch."""
    flags = _parse(argv)
    torch.manual_seed(flags.seed)
    model = timm.create_model(MODEL, num_classes=10).to(
        memory_format=torch.channels_last
    )
    _load(model, flags.weights)
    best, state = _train(model, flags)
    model.load_state_dict(state)
    print(best, _score(model, _open(flags.images_dir, "test", model)))
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images_dir", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    # Of 0.0003, 0.001 and 0.003, the best one on validation with seed 0.
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    return parser.parse_args(argv)


def _load(model: Any, path: str) -> None:
    """Fills by order: the file has the same tensors under names of another package."""
    source = torch.load(path, weights_only=True)
    values = [one for name, one in source.items() if "num_batches" not in name]
    target = model.state_dict()
    names = [name for name in target if "num_batches" not in name]
    for name, value in zip(names, values, strict=True):
        if "classifier" not in name:
            assert target[name].shape == value.shape, name
            target[name] = value
    model.load_state_dict(target)


def _open(images_dir: str, split: str, model: Any) -> Any:
    data = timm.data.resolve_data_config({}, model=model)
    is_training = split == "train"
    return timm.data.create_loader(
        timm.data.create_dataset("", root=images_dir, split=split),
        input_size=(3, SIDE, SIDE),
        batch_size=BATCH_SIZE,
        is_training=is_training,
        use_prefetcher=False,
        interpolation=data["interpolation"],
        mean=data["mean"],
        std=data["std"],
        crop_pct=data["crop_pct"],
        num_workers=1,
        device=torch.device("cpu"),
    )


def _train(model: Any, flags: argparse.Namespace) -> tuple[float, Any]:
    """Cosine over the time that there is; returns the best accuracy and its state."""
    optimizer = timm.optim.create_optimizer_v2(
        model, opt="adamw", lr=flags.learning_rate, weight_decay=0.01
    )
    average = timm.utils.ModelEmaV3(model, decay=0.99, use_warmup=True)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    batches = _open(flags.images_dir, "train", model)
    validation = _open(flags.images_dir, "validation", model)
    begin, best, state = time.monotonic(), 0.0, copy.deepcopy(model.state_dict())
    while (share := (time.monotonic() - begin) / (60 * flags.minutes)) < 1:
        model.train()
        for pixels, classes in batches:
            share = (time.monotonic() - begin) / (60 * flags.minutes)
            if share >= 1:
                break
            _set_rate(optimizer, flags.learning_rate, share)
            loss = loss_of(model(pixels.to(memory_format=torch.channels_last)), classes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            average.update(model)
        accuracy = _score(average.module, validation)
        print(f"{share:.0%} of the time, validation {accuracy:.4f}", file=sys.stderr)
        if accuracy >= best:
            best, state = accuracy, copy.deepcopy(average.module.state_dict())
    return best, state


def _set_rate(optimizer: Any, rate: float, share: float) -> None:
    warm = min(1.0, share / WARM_UP_SHARE)
    cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * share)).item())
    for group in optimizer.param_groups:
        group["lr"] = rate * warm * cosine


@torch.no_grad()
def _score(model: Any, batches: Any) -> float:
    model.eval()
    right = count = 0
    for pixels, classes in batches:
        right += int((model(pixels).argmax(1) == classes).sum())
        count += len(classes)
    return right / count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
