"""Every knob of every word: meaning, default, range, and the checks across knobs.

A field made with `knob` is the one place that knows a flag's default, range and help
text; flags.py turns fields into flags. One file a word. Nothing here imports
TensorFlow.
"""

from trainer.config.batch_predict import BatchPredictConfig
from trainer.config.cache import CopiesFiles
from trainer.config.convert import ConvertConfig
from trainer.config.evaluate import EvaluateConfig
from trainer.config.inspect import InspectConfig
from trainer.config.jobs import (
    CancelJobConfig,
    DescribedJob,
    DescribeJobConfig,
    ListJobsConfig,
    StreamLogsConfig,
    SubmitConfig,
    ToVertexConfig,
    parse_pairs,
)
from trainer.config.model_types import HUB, MODEL_IMAGE_SIZES
from trainer.config.optimizer_arguments import OPTIMIZER_ARGUMENTS
from trainer.config.predict import PredictConfig
from trainer.config.report import ReportConfig
from trainer.config.serve import ServeConfig
from trainer.config.train import (
    IMAGENET,
    TrainConfig,
)
from trainer.config.tune import TuneConfig

__all__ = [
    "HUB",
    "IMAGENET",
    "MODEL_IMAGE_SIZES",
    "OPTIMIZER_ARGUMENTS",
    "BatchPredictConfig",
    "CancelJobConfig",
    "ConvertConfig",
    "CopiesFiles",
    "DescribeJobConfig",
    "DescribedJob",
    "EvaluateConfig",
    "InspectConfig",
    "ListJobsConfig",
    "PredictConfig",
    "ReportConfig",
    "ServeConfig",
    "StreamLogsConfig",
    "SubmitConfig",
    "ToVertexConfig",
    "TrainConfig",
    "TuneConfig",
    "parse_pairs",
]
