"""Every knob of `predict`."""

import dataclasses
from collections.abc import Iterator

from trainer.config.knobs import knob
from trainer.config.model_dir import model_dir_knob

STANDARD_STREAM = "-"


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """What `predict` says the classes of."""

    model_dir: str = model_dir_knob()
    images: tuple[str, ...] = knob(
        (),
        "Pictures: files, globs, or folders with files of known suffixes at any depth, "
        "local or gs://. The flag's name may be left out: predict --model_dir=... "
        "photo.jpg photos/",
        positional=True,
    )
    instances: str = knob(
        "",
        "Instead of pictures a file with an AI Platform request, or - for standard "
        'input: lines of {"image_bytes": {"b64": "..."}, "key": "..."}, or '
        '{"instances": [...]}. The answer is {"predictions": [...]}.',
    )
    labels_file: str = knob(
        "",
        "Text file with one class name a line. Default: labels.txt beside the model, "
        "else classes have numbers from 1.",
    )
    top: int = knob(3, "Most probable classes to show of a picture.", minimum=1)
    json: str = knob(
        "",
        "File to write the answers to for programs, one JSON object a line with all "
        "probabilities. Alone, or as -, it is standard output, without a table.",
        alone=STANDARD_STREAM,
    )
    csv: str = knob(
        "",
        "As --json, but a table of comma-separated values with the most probable "
        "classes.",
        alone=STANDARD_STREAM,
    )

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each combination of values that can't work."""
        if bool(self.images) == bool(self.instances):
            yield (
                "Give pictures, as in: predict --model_dir=... photo.jpg photos/, or "
                "--instances=FILE, and not both."
            )
        if self.instances:
            for name in ("labels_file", "csv"):
                if value := getattr(self, name):
                    yield (
                        f"--{name}={value} does not go with --instances, which is "
                        "answered in AI Platform's form; leave it out."
                    )
        elif self.json == self.csv == STANDARD_STREAM:
            yield (
                "--json and --csv can't both go to standard output; give one of them "
                "a file, as --json=answers.jsonl."
            )
