import os
import signal

import pytest

from trainer import environment

# Where tests run in processes, what TensorFlow writes then would follow the summary.
with environment.importing_tensorflow():
    from tests.finished_jobs import finished_job
    from tests.gcs import bucket, gcs_proxy
    from tests.jobs import data_dir
    from tests.saved_models import colour_model_dir

# A shell that starts the tests in the background has Ctrl-C ignored, also for the
# processes that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["bucket", "colour_model_dir", "data_dir", "finished_job", "gcs_proxy"]


@pytest.fixture(autouse=True)
def surroundings():
    """A job that runs in the process sets variables, which the next test has not."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
