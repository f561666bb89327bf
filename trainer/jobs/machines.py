"""AI Platform Training's scale tiers and machine types -> Vertex AI's.

Source: the discovery document ml.v1, revision 20230121, GoogleCloudMlV1__TrainingInput,
says which legacy machine is another one with which GPUs; names of Compute Engine
machines are those of its documentation with as many processors that Vertex AI has
(docs/contract.md, "Vertex AI"). Accelerators: google.cloud.aiplatform_v1
AcceleratorType, where NVIDIA_TESLA_K80 is marked as gone.
"""

import difflib
import re
from collections.abc import Iterator
from typing import NamedTuple

from trainer import errors
from trainer.jobs import spec

K80, P100, V100, T4 = (f"NVIDIA_TESLA_{name}" for name in ("K80", "P100", "V100", "T4"))


class Machine(NamedTuple):
    """A machine of Compute Engine, and its accelerators."""

    machine_type: str
    accelerator: str = ""
    num_accelerators: int = 0


SCALE_TIERS = {
    "BASIC": Machine("n1-standard-4"),
    "BASIC_GPU": Machine("n1-standard-8", K80, 1),
    "BASIC_TPU": Machine("n1-standard-4", "TPU_V2", 8),
    "STANDARD_1": Machine("n1-standard-8"),
    "PREMIUM_1": Machine("n1-highcpu-16"),
}
LEGACY_MACHINES = {
    "standard": Machine("n1-standard-4"),
    "large_model": Machine("n1-highmem-8"),
    "complex_model_s": Machine("n1-standard-8"),
    "complex_model_m": Machine("n1-highcpu-16"),
    "complex_model_l": Machine("n1-highcpu-32"),
    "standard_gpu": Machine("n1-standard-4", K80, 1),
    "complex_model_m_gpu": Machine("n1-highcpu-16", K80, 4),
    "complex_model_l_gpu": Machine("n1-highcpu-32", K80, 8),
    "standard_p100": Machine("n1-standard-4", P100, 1),
    "complex_model_m_p100": Machine("n1-highcpu-16", P100, 4),
    "standard_v100": Machine("n1-standard-4", V100, 1),
    "large_model_v100": Machine("n1-highmem-8", V100, 1),
    "complex_model_m_v100": Machine("n1-highcpu-16", V100, 4),
    "complex_model_l_v100": Machine("n1-highcpu-32", V100, 8),
    "cloud_tpu": Machine("n1-standard-4", "TPU_V2", 8),
}
COMPUTE_ENGINE = re.compile(r"[a-z]+[0-9]+[a-z]*-[a-z]+-[0-9]+[a-z]*")
# Source: Compute Engine's documentation of GPUs on N1 machines: a T4 takes up to 48
# processors, four of them 96; there is no machine with three, or more than four.
_MAX_T4 = 4
_PROCESSORS_OF_ONE_T4 = 48
_TPU_NOTE = (
    "{} x {} has no counterpart that this image was run on: Vertex AI has TPU v2 and "
    "v3 (machine type cloud-tpu) and v5e (ct5lp-hightpu-1t, -4t, -8t) for TensorFlow "
    "builds of its own, and v6e for no TensorFlow at all. {} x {} takes its place; "
    "--master-accelerator says otherwise."
)


def find_machine(
    training_input: spec.TrainingInput,
) -> tuple[Machine, list[str]]:
    """The machine on Vertex AI, and what had to be changed, in sentences.

    Raises:
        ConfigError: If masterType is none.
    """
    asked = _find_asked(training_input)
    notes = []
    found = asked
    if asked.accelerator.startswith("TPU"):
        found = _with_t4(asked, 1)
        notes.append(_TPU_NOTE.format(*asked[1:], *found[1:]))
    elif asked.accelerator == K80:
        found = _with_t4(asked, asked.num_accelerators)
        notes.append(
            f"{K80} is gone from Vertex AI; {found.accelerator} x "
            f"{found.num_accelerators} takes its place."
        )
    if found.num_accelerators > 1:
        notes.append(
            f"{found.accelerator} x {found.num_accelerators}: the trainer uses one "
            "GPU, as the original did; a machine with one costs less."
        )
    return found, notes


def _find_asked(training_input: spec.TrainingInput) -> Machine:
    """The machine that the service would have taken."""
    machine = _find_machine_type(training_input)
    accelerators = [*_find_accelerators(training_input)]
    if accelerators:
        machine = machine._replace(
            accelerator=accelerators[0].type, num_accelerators=accelerators[0].count
        )
    return machine


def _find_machine_type(training_input: spec.TrainingInput) -> Machine:
    name = training_input.master_type
    if training_input.scale_tier != "CUSTOM":
        return SCALE_TIERS[training_input.scale_tier]
    if name in LEGACY_MACHINES:
        return LEGACY_MACHINES[name]
    if COMPUTE_ENGINE.fullmatch(name):
        return Machine(name)
    near = difflib.get_close_matches(name, LEGACY_MACHINES, n=1)
    hint = f"did you mean {near[0]}?" if near else "for example n1-standard-8."
    raise errors.ConfigError(
        f"masterType is {name}, which is no machine type of the service; {hint}"
    )


def _find_accelerators(
    training_input: spec.TrainingInput,
) -> Iterator[spec.AcceleratorConfig]:
    """The master's own, else those of a TPU worker, which worked for it."""
    for replica in (training_input.master_config, training_input.worker_config):
        config = replica.accelerator_config if replica else None
        if config and (
            replica is training_input.master_config or config.type.startswith("TPU")
        ):
            yield config


def _with_t4(machine: Machine, count: int) -> Machine:
    num_processors = int(re.findall("[0-9]+", machine.machine_type)[-1])
    is_large = num_processors > _PROCESSORS_OF_ONE_T4
    return machine._replace(
        accelerator=T4, num_accelerators=_MAX_T4 if is_large else min(count, _MAX_T4)
    )
