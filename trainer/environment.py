"""Every look at the process's surroundings: variables, terminal, processor."""

import contextlib
import ctypes
import dataclasses
import gc
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

from trainer import errors

# Processors with one of these multiply bfloat16 and sum in float32.
BFLOAT16_CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
CLUSTER_VARIABLES = ("TF_CONFIG", "CLUSTER_SPEC")
# Starts of the names by which services tell a process where it stands.
SERVICE_VARIABLES = (*CLUSTER_VARIABLES, "CLOUD_ML_", "AIP_")
MAX_PORT = 65535
# mallopt's options, as malloc.h numbers them, and what keeps all memory.
_KEEPING_OPTIONS = {
    -1: -1,  # M_TRIM_THRESHOLD: never.
    -2: 256 * 2**20,  # M_TOP_PAD: bytes to ask the kernel for beyond what is needed.
    -4: 0,  # M_MMAP_MAX: no mapping of its own for any block.
    -8: 1,  # M_ARENA_MAX: no thread has a heap of its own.
}
_QUIET_LEVEL = "3"
# Of TensorFlow: tensorflow/core/util/util.cc.
_ONEDNN_SWITCH = "TF_ENABLE_ONEDNN_OPTS"
# Source: tensorflow/core/common_runtime/process_util.cc.
OP_THREADS = "TF_NUM_INTRAOP_THREADS"
_STDERR = 2


def quiet_tensorflow() -> None:
    """Hides TensorFlow's start-up chatter unless the user asked for it.

    Must run before TensorFlow is imported. What the user set stays.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _QUIET_LEVEL) == _QUIET_LEVEL:
        # Deprecations inside of libraries are nothing that a job's owner can mend.
        for name in ("tensorflow", "absl"):
            logging.getLogger(name).setLevel(logging.ERROR)


def quiet_matplotlib() -> None:
    """Keeps what matplotlib says of its font cache out of the log.

    Where it can't write one it makes one for the time of the process, and says so.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def keep_freed_memory() -> bool:
    """Has the process reuse what it frees, in place of giving it back to the kernel.

    A step frees and takes gigabytes. glibc gives large blocks back at once, and the
    kernel clears every page of the next one: a third of a step's time (docs/adr/
    0029-freed-memory.md). Must run before there are threads.

    Returns:
        Whether it did: not with another C library, or where the user set the allocator.

    Source: mallopt(3).
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if "malloc" in tunables or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(option, value) for option, value in _KEEPING_OPTIONS.items())


def prefer_onednn() -> None:
    """Has TensorFlow compute by oneDNN wherever that has vectors to compute with.

    TensorFlow itself leaves out processors without instructions for neural networks,
    and is a tenth to a third slower there (docs/adr/0033-onednn.md). Must run before
    TensorFlow is imported. What the user set stays.
    """
    if "avx2" in cpu_flags():
        os.environ.setdefault(_ONEDNN_SWITCH, "1")


def has_onednn() -> bool:
    """Whether `prefer_onednn` or the user switched oneDNN on."""
    return os.environ.get(_ONEDNN_SWITCH, "").lower() in ("1", "true")


def limit_op_threads(num_threads: int) -> None:
    """Has each op of TensorFlow compute on so many threads at most.

    Must run before TensorFlow computes. What the user set stays.
    """
    os.environ.setdefault(OP_THREADS, str(num_threads))


def plain_gcsfs() -> None:
    """Keeps gcsfs from its second client, which asks each bucket for its kind first.

    Off Google Cloud that question, over gRPC, stalls calls for 37 to 100 seconds. Must
    run before gcsfs is imported. What the user set stays.
    """
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")


def check_temporary_dir() -> None:
    """Checks that there is a folder for temporary files.

    Raises:
        ConfigError: If none can be written to, as on a container's read-only root.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise errors.ConfigError(
            "No folder for temporary files can be written to, neither TMPDIR nor /tmp "
            "nor the working folder; give docker run --tmpfs /tmp beside --read-only."
        ) from error


@contextlib.contextmanager
def importing_tensorflow() -> Iterator[None]:
    """Surrounds the import of what imports TensorFlow: quiet, and a quarter faster."""
    with _hidden_native_stderr(), uncollected():
        yield


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Holds back the garbage collector, which finds none in what an import makes."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _hidden_native_stderr() -> Iterator[None]:
    """Holds back what libraries write to file descriptor 2; shows it on an error.

    TensorFlow's libraries write some lines at import that no log level reaches.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != _QUIET_LEVEL:
        yield
        return
    sys.stderr.flush()
    visible = os.dup(_STDERR)
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), _STDERR)
        try:
            yield
        except BaseException:
            hidden.seek(0)
            os.write(visible, hidden.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(visible, _STDERR)
            os.close(visible)


def is_terminal() -> bool:
    """True if a person watches: progress is then a bar, else lines."""
    return sys.stderr.isatty()


def cpu_flags() -> frozenset[str]:
    """The processor's instruction sets in Linux' words; empty where unknown."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()


def process_secs() -> float:
    """Seconds since this process was started; 0 where that is unknown."""
    try:
        with open("/proc/self/stat", encoding="utf-8") as file:
            # The 22nd field; the second one, a name in brackets, may hold blanks.
            ticks = int(file.read().rpartition(")")[2].split()[19])
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        return since_boot - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return 0.0


def job_id(default: str) -> str:
    """The job's name as the service gave it, else `default`."""
    return os.environ.get("CLOUD_ML_JOB_ID", default)


def trial_id() -> str | None:
    """The id of the tuning trial that this process is, or None outside of tuning.

    Raises:
        ConfigError: If TF_CONFIG or CLUSTER_SPEC is set and is no JSON object.

    Source: docs/contract.md, "Trials": CLOUD_ML_TRIAL_ID, TF_CONFIG.task.trial,
    CLUSTER_SPEC.task.trial, in this order.
    """
    trial = os.environ.get("CLOUD_ML_TRIAL_ID")
    for variable in CLUSTER_VARIABLES:
        trial = trial or _trial_of_cluster(variable)
    return trial or None


def _trial_of_cluster(variable: str) -> str:
    """The trial id in a cluster description; empty if it has none."""
    return str(cluster_description(variable).get("task", {}).get("trial", ""))


def cluster_description(variable: str) -> dict[str, Any]:
    """What one of CLUSTER_VARIABLES says; empty if it is not set.

    Raises:
        ConfigError: If it is no JSON object, or its `task` is none.
    """
    text = os.environ.get(variable) or "{}"
    try:
        found = json.loads(text)
        found.get("task", {}).items()
    except (ValueError, AttributeError) as error:
        raise errors.ConfigError(
            f"The environment variable {variable} must be a JSON object, got "
            f"{text[:80]!r}; unset it to train on this machine alone."
        ) from error
    return dict(found)


def tpu_name() -> str:
    """The TPU to train on: a name, "local" for this machine's, or empty for none.

    Raises:
        ConfigError: If TPU_CONFIG is no JSON object with tpu_node_name.

    Source: AI Platform's TPU_CONFIG, {"tpu_node_name", "project", "zone"}; TPU_NAME is
    what tf.distribute.cluster_resolver.TPUClusterResolver reads.
    """
    text = os.environ.get("TPU_CONFIG")
    if not text:
        return os.environ.get("TPU_NAME", "")
    try:
        return str(json.loads(text)["tpu_node_name"])
    except (ValueError, LookupError, TypeError) as error:
        raise errors.ConfigError(
            "The environment variable TPU_CONFIG must be a JSON object with "
            f"tpu_node_name, got {text[:80]!r}; unset it to train without a TPU."
        ) from error


@dataclasses.dataclass(frozen=True)
class VertexOutputs:
    """Where Vertex AI wants the outputs of this job or trial; empty if it says nothing.

    Attributes:
        model_dir: AIP_MODEL_DIR, the SavedModel's folder.
        checkpoint_dir: AIP_CHECKPOINT_DIR.
        log_dir: AIP_TENSORBOARD_LOG_DIR.

    Source: docs/contract.md, "Vertex AI".
    """

    model_dir: str = ""
    checkpoint_dir: str = ""
    log_dir: str = ""

    @property
    def root_dir(self) -> str:
        """The folder that has the model's; empty without one."""
        return os.path.dirname(self.model_dir)


def vertex_outputs() -> VertexOutputs:
    """The folders that Vertex AI names, without the slash at their end."""
    names = ("AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR", "AIP_TENSORBOARD_LOG_DIR")
    return VertexOutputs(*(os.environ.get(name, "").rstrip("/") for name in names))


def child_variables(
    given: Mapping[str, str], *, defaults: Mapping[str, str]
) -> dict[str, str]:
    """The surroundings of a process that a service would have started.

    Args:
        given: What the service would say; nothing that it said to us is passed on.
        defaults: Set where the user has not.
    """
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(SERVICE_VARIABLES)
    }
    return {**defaults, **own, **given}


def num_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def has_command(name: str) -> bool:
    """True if a program of this name is on PATH."""
    return shutil.which(name) is not None


def state_dir() -> str:
    """This user's folder for what has to be remembered between commands.

    Source: the XDG Base Directory Specification; paths that are not absolute are to be
    ignored.
    """
    given = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(given):
        given = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(given, "image-classification-trainer")


def vertex_endpoint(region: str) -> str:
    """The address of Vertex AI, else that of gcloud's variable for another one."""
    given = os.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM", "")
    return given.rstrip("/") or f"{region}-aiplatform.googleapis.com"


def model_uri() -> str:
    """The folder of the model that Vertex AI wants served; empty elsewhere.

    Source of this and of the three below: cloud.google.com/vertex-ai/docs/predictions/
    custom-container-requirements.
    """
    return os.environ.get("AIP_STORAGE_URI", "")


def http_port(default: int) -> int:
    """The port that Vertex AI wants served, else `default`.

    Raises:
        ConfigError: If AIP_HTTP_PORT is no port.
    """
    text = os.environ.get("AIP_HTTP_PORT") or str(default)
    if not text.isdecimal() or not 0 <= int(text) <= MAX_PORT:
        raise errors.ConfigError(
            f"The environment variable AIP_HTTP_PORT must be a port, 0 to {MAX_PORT}, "
            f"got {text[:80]!r}; unset it, or give --port."
        )
    return int(text)


def health_route(default: str) -> str:
    """Where Vertex AI asks whether the server is ready, else `default`."""
    return _route("AIP_HEALTH_ROUTE", default)


def predict_route(default: str) -> str:
    """Where Vertex AI sends requests for predictions, else `default`."""
    return _route("AIP_PREDICT_ROUTE", default)


def _route(variable: str, default: str) -> str:
    route = os.environ.get(variable) or default
    if not re.fullmatch(r"/[^{}?#\s]*", route):
        raise errors.ConfigError(
            f"The environment variable {variable} must be a path such as {default}, "
            f"got {route[:80]!r}; correct it, or unset it."
        )
    return route
