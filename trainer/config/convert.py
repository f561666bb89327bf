"""Every knob of `convert`, and the checks across them."""

import dataclasses
from collections.abc import Iterator

from trainer.config.beam import (
    GS,
    RunsBeam,
    project_id_knob,
    region_knob,
    runner_knob,
    temp_location_knob,
)
from trainer.config.knobs import knob
from trainer.config.lists import parse_split


@dataclasses.dataclass(frozen=True)
class ConvertConfig(RunsBeam):
    """What `convert` was asked to write."""

    images_dir: str = knob(
        "",
        "Folder with one subfolder of images a class. If it has train/ and "
        "validation/ (or val/), those are the splits; test/ is written as well. May be "
        "on gs://.",
    )
    train_csv: str = knob(
        "", "CSV with lines image-path,label of the training images; may be a glob."
    )
    validation_csv: str = knob(
        "", "CSV with lines image-path,label of the validation images; may be a glob."
    )
    labels_file: str = knob(
        "",
        "Text file with one label a line; the first line is class 1. Required with "
        "--train_csv; with --images_dir the default is the sorted folder names.",
    )
    output_dir: str = knob(
        "",
        "Folder for train-*.tfrecord, validation-*.tfrecord and labels.txt. Files "
        "that this command did not write are never deleted.",
        required=True,
    )
    split: str = knob(
        "train:0.9,validation:0.1",
        "Shares of --images_dir without split folders, by content hash: the same "
        "picture always lands in the same split.",
    )
    shard_mb: int = knob(
        128, "Size that shards are kept under, in megabytes.", minimum=1
    )
    max_shorter_side: int = knob(
        0,
        "Pixels that a picture's shorter side is made smaller to, if it has more; 0 "
        "keeps all as they are. For photographs of many megapixels, which each epoch "
        "decodes again; twice --image_size of the training or more.",
        minimum=0,
    )
    skip_bad: bool = knob(
        False,
        "Leave out rows with an unknown label or an unreadable image, and list them "
        "at the end, instead of stopping at the first.",
    )
    runner: str = runner_knob()
    project_id: str = project_id_knob()
    region: str = region_knob()
    temp_location: str = temp_location_knob()

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each combination of values that can't work."""
        csv = [self.train_csv, self.validation_csv, self.labels_file]
        if self.images_dir and (self.train_csv or self.validation_csv):
            yield "--images_dir and --train_csv/--validation_csv exclude each other."
        elif not self.images_dir and not all(csv):
            yield (
                "Give --images_dir, or all of --train_csv, --validation_csv and "
                "--labels_file."
            )
        try:
            parse_split(self.split)
        except ValueError as error:
            yield f"--split: {error}."
        if (
            self.is_on_dataflow
            and self.images_dir
            and not self.images_dir.startswith(GS)
        ):
            yield (
                f"--images_dir={self.images_dir} is a folder of this machine, which "
                f"--runner={self.runner} can't reach; give gs://BUCKET/FOLDER, or "
                "--train_csv, --validation_csv and --labels_file with gs:// images."
            )
        yield from self.problems_of_runner(["output_dir"])
