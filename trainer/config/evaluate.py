"""Every knob of `evaluate`."""

import dataclasses
from collections.abc import Iterator

from trainer.config.cache import CopiesFiles, cache_dir_knob, cache_gb_knob
from trainer.config.knobs import knob
from trainer.config.model_dir import model_dir_knob
from trainer.config.train import allow_bad_records


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(CopiesFiles):
    """Which model `evaluate` scores, on which data, and what is asked of it."""

    model_dir: str = model_dir_knob()
    data_path: str = knob(
        "",
        "TFRecord files of labelled pictures: a path or a glob with *, ? or [1-9]. "
        "For a forecast of the accuracy in use, give pictures that played no part in "
        "training, validation included.",
        required=True,
    )
    json: str = knob("", "File to write all scores to, for programs.")
    assert_accuracy_at_least: float = knob(
        None,
        "End with exit code 1 if the top-1 accuracy is lower, for pipelines that must "
        "not go on then. Default: any accuracy will do.",
        minimum=0.0,
        maximum=1.0,
    )
    label_offset: str = knob(
        "auto",
        "Label of the first class: 1 as documented, or 0. auto: 1, unless the data "
        "has labels 0 and none equal to the number of classes.",
        choices=("auto", "0", "1"),
    )
    batch_size: int = knob(
        32,
        "Pictures that the model is given at once; no effect on the scores. Lower it "
        "if memory runs out.",
        minimum=1,
    )
    max_bad_records: int = knob(
        None,
        "Damaged or undecodable records that are left out; one more ends the "
        "evaluation. Default: 0.1 % of the records, at least 10.",
        minimum=0,
    )
    cache_dir: str = cache_dir_knob()
    cache_gb: float = cache_gb_knob()

    def resolved_max_bad_records(self, num_records: int) -> int:
        """Bad records that so many records may have."""
        if self.max_bad_records is not None:
            return self.max_bad_records
        return allow_bad_records(num_records)

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each combination of values that can't work."""
        yield from self.problems_of_cache()
