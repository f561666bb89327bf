"""Converts CSV lists of images to TFRecord files, with the original script's flags.

    python scripts/jpeg_to_tf_record.py --train_csv=train.csv \
        --validation_csv=validation.csv --labels_file=labels.txt --output_dir=out \
        --project_id=any

Same as `python -m trainer.task convert` with these flags; --help lists all. As the
original it runs on Apache Beam (extra `beam`): on this machine, or with
--runner=DataflowRunner, --region and --temp_location in the project of --project_id.
Unlike the original it deletes nothing that it did not write.
"""

import pathlib
import sys
from collections.abc import Sequence

# A script's own folder is on the path, not the repository's.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from trainer import task


def main(argv: Sequence[str]) -> int:
    """Runs the word convert and returns its exit code."""
    return task.main(["convert", *argv])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
