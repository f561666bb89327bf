from tests.gcs import bucket, gcs_proxy
from tests.jobs import data_dir

__all__ = ["bucket", "data_dir", "gcs_proxy"]
