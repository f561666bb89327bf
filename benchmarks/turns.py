"""Measurements in processes of their own that take turns, and the machine in words.

What else the machine does then falls on all alike, and medians can be compared.
"""

import importlib.metadata
import os
import pathlib
import platform
import subprocess
import sys
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
# AMD names servers of all generations EPYC. By family, and whether there is AVX-512.
# Source: arch/x86/kernel/cpu/amd.c of Linux.
ZEN = {
    ("25", False): "Zen 3",
    ("25", True): "Zen 4",
    ("26", True): "Zen 5",
}


def measure_in_turns(
    commands: dict[str, Sequence[str]], *, rounds: int
) -> dict[str, list[float]]:
    """Runs each command once a round.

    Args:
        commands: Name to a command whose last line of output is a number.
        rounds: How often each one runs.

    Returns:
        Name to its numbers.
    """
    found: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, command in commands.items():
            found[name].append(_run(command))
            print(f"round {number + 1}: {name} {found[name][-1]:.2f}", file=sys.stderr)
    return found


def _run(command: Sequence[str]) -> float:
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return float(done.stdout.splitlines()[-1])


def describe_machine() -> str:
    """For example "AMD EPYC (Zen 4) with AVX512-BF16, 2 cores, TensorFlow 2.21.0"."""
    version = importlib.metadata.version("tensorflow")
    return f"{describe_processor()}, {os.cpu_count()} cores, TensorFlow {version}"


def describe_processor() -> str:
    """For example "AMD EPYC (Zen 4) with AVX512-BF16"."""
    facts = _read_facts()
    name = facts.get("model name", platform.processor())
    generation = ZEN.get((facts.get("cpu family"), "avx512f" in facts.get("flags", "")))
    if facts.get("vendor_id") == "AuthenticAMD" and generation:
        name += f" ({generation})"
    if not has_bfloat16():
        return f"{name} without AVX512-BF16"
    has_amx = "amx_bf16" in facts.get("flags", "").split()
    return f"{name} with AVX512-BF16{' and AMX' if has_amx else ''}"


def has_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16."""
    return "avx512_bf16" in _read_facts().get("flags", "").split()


def _read_facts() -> dict[str, str]:
    """Of one core, as Linux tells; none elsewhere."""
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    facts = (line.partition(":")[::2] for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, value in facts}
