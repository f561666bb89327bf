from tests.finished_jobs import finished_job
from tests.gcs import bucket, gcs_proxy
from tests.jobs import data_dir
from tests.saved_models import colour_model_dir

__all__ = ["bucket", "colour_model_dir", "data_dir", "finished_job", "gcs_proxy"]
