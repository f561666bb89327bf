"""What implementations of one architecture differ in, so that weights stay exact.

Weights are made for one implementation. In another that pads a picture on other sides,
or adds another epsilon, they still work, and a little worse than they are known to.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from trainer.models.normalization import IMAGENET, LITE, Normalization

# EVEN: as many zeros on each side, as PyTorch pads; SAME: TensorFlow's way, in which an
# even side gets one zero more at its end.
Padding = Literal["SAME", "EVEN"]


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to compute a network.

    Attributes:
        normalization: Of the pixels.
        batch_norm_epsilon: Added to variances.
        conv_padding: Of strided convolutions.
        pool_padding: Of ResNet's pooling.
        first_has_stride: Whether the stride of ResNet's bottleneck is in its first
            convolution, as He et al. 2015 have it, and not in the second.
        backbone: Digest of the SavedModel that computes, for which epsilon and paddings
            say nothing; empty for the networks of this project.
    """

    normalization: Normalization
    batch_norm_epsilon: float
    conv_padding: Padding
    pool_padding: Padding = "SAME"
    first_has_stride: bool = False
    backbone: str = ""

    def export(self) -> dict[str, Any]:
        """The variant as JSON can hold it; `restore` is the way back."""
        return {
            **dataclasses.asdict(self),
            "normalization": self.normalization._asdict(),
        }

    def describe(self) -> str:
        """One line for a log."""
        means, deviations = self.normalization
        return (
            f"pixels minus {_join(means)} over {_join(deviations)}, padding "
            f"{self.conv_padding}, epsilon {self.batch_norm_epsilon:g}"
        )


def restore(content: Mapping[str, Any]) -> Variant:
    """The variant that `export` described."""
    numbers = content["normalization"]
    normalization = Normalization(tuple(numbers["means"]), tuple(numbers["deviations"]))
    return Variant(**{**content, "normalization": normalization})


def _join(numbers: tuple[float, ...]) -> str:
    return "/".join(f"{number:.4g}" for number in dict.fromkeys(numbers))


# As tensorflow/tpu computes these families, which this project does by default.
RESNET = Variant(IMAGENET, 1e-5, "EVEN")
EFFICIENTNET = Variant(IMAGENET, 1e-3, "SAME")
EFFICIENTNET_LITE = Variant(LITE, 1e-3, "SAME")
