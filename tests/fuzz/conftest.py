"""How many inputs are tried.

FUZZ_EXAMPLES says how many each test tries; then they differ from run to run. Without
it a few are tried, the same ones each time.
"""

import os

import hypothesis

COUNT = int(os.environ.get("FUZZ_EXAMPLES", "0"))

hypothesis.settings.register_profile(
    "inputs",
    max_examples=COUNT or 60,
    derandomize=not COUNT,
    # On a busy machine an input takes any time; see mutations.in_time.
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile("inputs")
