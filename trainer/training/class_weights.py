"""How much an example counts in the loss, by its class."""

import numpy as np

# Of the effective number of samples; among the values that its source tries, the one
# whose classes come to a limit at 1,000 images.
BETA = 0.999


def compute_class_weights(counts: np.ndarray, kind: str) -> np.ndarray:
    """Computes weights whose mean over the images is 1, so that rates keep their sense.

    Args:
        counts: int64 [num_classes], training images of each class.
        kind: "none": all alike; "balanced": one over the count; "effective": one over
            the effective number of samples, (1 - BETA**count) / (1 - BETA).

    Returns:
        float32 [num_classes]; 1 for a class without images.

    Source of "effective": Cui et al. 2019, arxiv.org/abs/1901.05555, section 4, whose
    weights have a sum of num_classes instead.
    """
    weights = np.ones(len(counts))
    is_seen = counts > 0
    seen = counts[is_seen].astype(np.float64)
    if kind == "none" or not len(seen):
        return weights.astype(np.float32)
    amounts = seen if kind == "balanced" else 1 - BETA**seen
    inverse = 1 / amounts
    weights[is_seen] = inverse * seen.sum() / (inverse * seen).sum()
    return weights.astype(np.float32)
