"""Every knob of `serve`."""

import dataclasses
import re
from collections.abc import Iterator

from trainer.config.knobs import knob

MODEL_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclasses.dataclass(frozen=True)
class ServeConfig:
    """Which model is served, where, and how much is taken on at once."""

    model_dir: str = knob(
        "",
        "Folder with saved_model.pb, such as JOB_DIR/model, local or gs://. Default: "
        "the environment variable AIP_STORAGE_URI, which Vertex AI sets.",
    )
    model_name: str = knob(
        "default",
        "NAME in POST /v1/models/NAME:predict: letters, digits, dots, hyphens and "
        "underscores.",
    )
    host: str = knob(
        "0.0.0.0",
        "Address to listen on. The default takes requests from everywhere, as a "
        "container has to; 127.0.0.1 takes those of this machine.",
    )
    port: int = knob(
        None,
        "Port to listen on; 0 finds a free one, which the log says. Default: the "
        "environment variable AIP_HTTP_PORT, else 8080.",
        minimum=0,
        maximum=65535,
    )
    max_batch_size: int = knob(
        16,
        "Pictures that are computed at once at most, over all batches. While the model "
        "is at work, those of concurrent requests gather; none waits for an idle "
        "model. 1 answers one after the other.",
        minimum=1,
        maximum=1024,
    )
    parallel_batches: int = knob(
        None,
        "Batches that are computed at once, each on its share of the processors. More "
        "of them answer more requests a second, 1 answers a lone request of a large "
        "model soonest. Default: the square root of the number of processors, rounded "
        "up; 1 with a GPU.",
        minimum=1,
        maximum=1024,
    )
    max_queue: int = knob(
        256,
        "Pictures that may wait for the model. A request beyond it is answered with "
        "429 at once, and one that alone has more with 400.",
        minimum=1,
        maximum=1_000_000,
    )
    max_request_mb: int = knob(
        32,
        "Size of a request in megabytes at most, in base64, which makes a file a third "
        "larger. A larger one is answered with 413.",
        minimum=1,
        maximum=1024,
    )
    max_pixels: int = knob(
        64_000_000,
        "Width times height of a picture at most; decoding takes three bytes a pixel. "
        "A larger one is answered with 400, before it is decoded.",
        minimum=1,
        maximum=178_956_970,
    )

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each value that can't work."""
        if not MODEL_NAME.fullmatch(self.model_name):
            yield (
                "--model_name must be letters, digits, dots, hyphens and underscores, "
                f"got {self.model_name!r}; it is a part of the address."
            )
