"""Stands in for `docker run`: a trial of milliseconds, told how to behave by its image.

What it was asked for goes to stdout, which is the trial's log.
"""

import json
import os
import re
import signal
import sys
import time

RUN, *ARGUMENTS = sys.argv[1:]
OPTIONS = [one for one in ARGUMENTS if one.startswith("--")]
(IMAGE,) = [one for one in ARGUMENTS if not one.startswith("--")]
FLAGS = ARGUMENTS[ARGUMENTS.index(IMAGE) + 1 :]
VARIABLES = dict(
    one.removeprefix("--env=").split("=", 1)
    for one in OPTIONS
    if one.startswith("--env=")
)
TRIAL = int(VARIABLES["CLOUD_ML_TRIAL_ID"])
METRICS = VARIABLES["CLOUD_ML_HP_METRIC_FILE"]


def report(step, value, tag="top_1_accuracy"):
    record = {tag: str(value), "global_step": str(step), "trial": str(TRIAL)}
    with open(METRICS, "a") as file:
        file.write(json.dumps(record) + "\n")


def has_been_here():
    """True from the second start of this trial on."""
    mark = f"{METRICS}.seen"
    try:
        with open(mark, "x"):
            return False
    except FileExistsError:
        return True


def end_before_reporting():
    """The exit code of a trial that reports nothing; None of others."""
    if IMAGE == "crash" or (IMAGE == "crash-2" and TRIAL == 2):
        print("DataError: no such data", flush=True)
        return 1
    if IMAGE == "always-killed" or (IMAGE == "killed" and not has_been_here()):
        os.kill(os.getpid(), signal.SIGKILL)
    return 0 if IMAGE == "silent" else None


def report_others():
    for step in (10, 20):
        report(step, 0.5, "accuracy")
        report(step, 0.5, "loss")
    time.sleep(30)


def report_all(rate):
    report(10, 0.5, "loss")
    report(10, rate)
    if IMAGE == "worse" and TRIAL == 4:
        report(20, 0.0)
        # As after a restart: what was reported before is gone.
        os.remove(METRICS)
        report(30, 0.0)
        time.sleep(30)
    if IMAGE in ("slow", "stubborn"):
        time.sleep(30)
    report(20, 2 * rate)


def main():
    print(RUN, IMAGE, *FLAGS, flush=True)
    if (code := end_before_reporting()) is not None:
        return code
    if IMAGE == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if IMAGE == "other-tag":
        report_others()
    report_all(float(re.findall("--initial_learning_rate=(.*)", "\n".join(FLAGS))[-1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
