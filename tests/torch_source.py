"""A process of its own: PyTorch's libraries crash in one that has TensorFlow.

    python -m tests.torch_source LIBRARY NAME PIXELS OUTPUT

builds a network with random weights, answers the pixels in PIXELS (.npy), and writes
OUTPUT.pth and OUTPUT.safetensors, with OUTPUT.npy for the logits.
"""

import importlib
import json
import sys

import numpy as np

NUM_CLASSES = 7
LARGEST_LOGIT = 10.0
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def build(library, name, side):
    """A network, and the mean and deviation of its pixels."""
    if library == "timm":
        model = importlib.import_module("timm").create_model(
            name, num_classes=NUM_CLASSES
        )
        return model, (model.default_cfg["mean"], model.default_cfg["std"])
    if library == "torchvision":
        models = importlib.import_module("torchvision").models
        return getattr(models, name)(num_classes=NUM_CLASSES), IMAGENET
    models = importlib.import_module("efficientnet_pytorch").EfficientNet
    # It pads for one size of pictures.
    options = {"num_classes": NUM_CLASSES, "image_size": side}
    return models.from_name(name, **options), IMAGENET


def main(library, name, pixels_path, output):
    torch = importlib.import_module("torch")
    torch.manual_seed(0)
    pixels = np.load(pixels_path)
    model, (mean, std) = build(library, name, pixels.shape[1])
    pixels = (pixels / 255 - np.array(mean)) / np.array(std)
    batch = torch.tensor(pixels.transpose(0, 3, 1, 2), dtype=torch.float32)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        # Statistics of these pixels, as trained networks have: with others, values
        # grow from layer to layer, and so do rounding errors.
        model.train()(batch)
        model.eval()
        logits = model(batch)
        # As great as those of trained networks, which are good to 1e-3 in float32.
        scale = LARGEST_LOGIT / logits.abs().max()
        for tensor in list(model.parameters())[-2:]:
            tensor.mul_(scale)
        np.save(f"{output}.npy", model(batch).numpy())
    old = {"_use_new_zipfile_serialization": False}
    torch.save(model.state_dict(), f"{output}.pth", **old)
    torch.save({"state_dict": model.state_dict()}, f"{output}.pt")
    safetensors = importlib.import_module("safetensors.torch")
    safetensors.save_file(model.state_dict(), f"{output}.safetensors")
    print(json.dumps({"mean": mean, "std": std}))


if __name__ == "__main__":
    main(*sys.argv[1:])
