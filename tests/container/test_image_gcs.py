"""The image on gs://, against a real server of the Cloud Storage API on loopback."""

import pytest

from tests import jobs
from tests.docker_image import LOCKED

pytestmark = pytest.mark.container


def test_a_job_on_a_bucket_needs_no_folder(image, bucket, gcs_proxy, data_dir):
    bucket.write_dir(data_dir, "data")
    flags = jobs.command(f"{bucket.url}/data", f"{bucket.url}/job")[3:]
    emulator = f"--env=STORAGE_EMULATOR_HOST={gcs_proxy.url}"
    options = ("--network=host", *LOCKED[1:], emulator)
    image.run_ok(*flags, options=options)
    assert {"job/metrics.json", "job/model/saved_model.pb"} <= set(bucket.names("job/"))
    said = image.run_ok(
        "inspect", f"--data_path={bucket.url}/data/train-*", options=options
    )
    assert "2 red" in said or "1 red" in said
