"""Every knob of `batch-predict`."""

import dataclasses
from collections.abc import Iterator

from trainer.config.beam import (
    RunsBeam,
    project_id_knob,
    region_knob,
    runner_knob,
    temp_location_knob,
)
from trainer.config.knobs import knob
from trainer.config.model_dir import model_dir_knob

JSON, TEXT = "JSON", "TEXT"
TF_RECORD, TF_RECORD_GZIP = "TF_RECORD", "TF_RECORD_GZIP"
IMAGES = "IMAGES"


@dataclasses.dataclass(frozen=True)
class BatchPredictConfig(RunsBeam):
    """What `batch-predict` reads, and where its answers go.

    Names are those of AI Platform's PredictionInput.
    """

    model_dir: str = model_dir_knob()
    data_format: str = knob(
        "",
        'JSON: a line of {"image_bytes": {"b64": "..."}, "key": "..."} an instance; '
        "TEXT is its old name. TF_RECORD, TF_RECORD_GZIP: a tf.Example with "
        "image/encoded, such an object in JSON, or a picture's file a record. IMAGES: "
        "picture files.",
        choices=(JSON, TEXT, TF_RECORD, TF_RECORD_GZIP, IMAGES),
        required=True,
    )
    input_paths: tuple[str, ...] = knob(
        (),
        "Files or globs, local or gs://; of IMAGES also folders, for the pictures in "
        "them at any depth. The flag's name may be left out.",
        required=True,
        positional=True,
    )
    output_path: str = knob(
        "",
        "Folder for prediction.results-*-of-* and prediction.errors_stats-*-of-*, "
        "local or gs://. Those of an earlier run are replaced.",
        required=True,
    )
    batch_size: int = knob(
        64, "Pictures that the model is given at once.", minimum=1, maximum=4096
    )
    runner: str = runner_knob()
    project_id: str = project_id_knob()
    region: str = region_knob()
    temp_location: str = temp_location_knob()

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each combination of values that can't work."""
        yield from self.problems_of_runner(["model_dir", "input_paths", "output_path"])
