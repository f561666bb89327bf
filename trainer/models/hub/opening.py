"""--hub_handle -> a FeatureVector, or the sentence that says why not."""

import contextlib
from collections.abc import Iterator

from trainer import errors, saved_models
from trainer.models.hub.feature_vector import FeatureVector
from trainer.saved_models import UnusableError


@contextlib.contextmanager
def opened(handle: str) -> Iterator[FeatureVector]:
    """A SavedModel that can be loaded inside of the context.

    To be called outside of a strategy's scope: a plain copy of it is looked at first.

    Args:
        handle: What --hub_handle may be.

    Raises:
        ConfigError: If it can't be reached, has ops that do more than compute, or is no
            image feature vector.
    """
    with contextlib.ExitStack() as stack:
        place = handle
        try:
            place = stack.enter_context(saved_models.local_copy(handle))
            local_dir = stack.enter_context(saved_models.checked_copy(place))
            found = FeatureVector(handle, local_dir)
        except UnusableError as error:
            raise errors.ConfigError(f"--hub_handle={handle} {error}.") from error
        except (errors.StorageError, errors.DataError) as error:
            # The owner gave the handle, not the folder that it was unpacked to.
            text = str(error).replace(place, handle)
            raise errors.ConfigError(f"--hub_handle={text}") from error
        yield found
