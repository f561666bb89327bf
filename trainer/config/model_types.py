"""The networks that `train` knows, and the pictures that each was made for."""

# A SavedModel that --hub_handle names.
HUB = "hub"

# Native side in pixels. EfficientNet: Tan & Le 2019, arxiv.org/abs/1905.11946, and
# the published checkpoints; ResNet: He et al. 2015, arxiv.org/abs/1512.03385.
MODEL_IMAGE_SIZES = {
    "resnet-18": 224,
    "resnet-34": 224,
    "resnet-50": 224,
    "resnet-101": 224,
    "resnet-152": 224,
    "resnet-200": 224,
    "efficientnet-b0": 224,
    "efficientnet-b1": 240,
    "efficientnet-b2": 260,
    "efficientnet-b3": 300,
    "efficientnet-b4": 380,
    "efficientnet-b5": 456,
    "efficientnet-b6": 528,
    "efficientnet-b7": 600,
    "efficientnet-lite0": 224,
    "efficientnet-lite1": 240,
    "efficientnet-lite2": 260,
    "efficientnet-lite3": 280,
    "efficientnet-lite4": 300,
    # What a SavedModel that takes any size gets: most were trained at it.
    HUB: 224,
}
