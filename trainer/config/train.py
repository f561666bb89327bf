"""Every knob of `train`, and what defaults come to."""

import dataclasses
import math
from collections.abc import Iterator

from trainer.config import train_checks
from trainer.config.cache import CopiesFiles, cache_dir_knob, cache_gb_knob
from trainer.config.knobs import KnowsGiven, knob
from trainer.config.lists import parse_numbers, parse_optimizer_arguments
from trainer.config.model_types import HUB, MODEL_IMAGE_SIZES
from trainer.config.optimizer_arguments import OPTIMIZER_ARGUMENTS

# What --pretrained_checkpoint_path may be beside a path: published weights.
IMAGENET = "imagenet"

DEFAULT_EVALUATIONS = 20
BAD_RECORDS_SHARE = 0.001
MIN_BAD_RECORDS = 10


@dataclasses.dataclass(frozen=True)
class TrainConfig(CopiesFiles, KnowsGiven):
    """What one training job was asked to do; flag names are the contract's."""

    training_data_path: str = knob(
        "",
        "TFRecord files to train on: a path or a glob with *, ? or [1-9].",
        required=True,
    )
    validation_data_path: str = knob(
        "",
        "TFRecord files to evaluate on: a path or a glob with *, ? or [1-9].",
        required=True,
    )
    job_dir: str = knob(
        "",
        "Root of all outputs: model/ (the most accurate SavedModel so far), "
        "checkpoints/, events and metrics.json. Default on Vertex AI: the folder that "
        "AIP_MODEL_DIR is in.",
        required=True,
    )
    num_classes: int = knob(
        None,
        "Number of classes; labels in the data are 1 to num_classes.",
        minimum=2,
        required=True,
    )
    max_steps: int = knob(
        None,
        "Stop after this many steps, counted from the first run in this job-dir. Not "
        "required with max_minutes or recipe.",
        minimum=1,
        required=True,
        unless=("max_minutes", "recipe"),
    )
    max_minutes: float = knob(
        0.0,
        "Minutes that the job may take in all, from the start of the process to the "
        "report; 0: no limit. The first steps are measured, then steps, evaluations "
        "and the decay of the learning rate are planned for the time that is left. A "
        "resumed job keeps the plan.",
        minimum=0.0,
    )
    recipe: str = knob(
        "none",
        "auto: choose what this command leaves open of steps, batch, learning rate "
        "and fine-tuning by the number of images, the device and max_minutes; a range "
        "test before step 0 lowers a rate that is too high. The log says what was "
        "chosen and why, as flags to paste.",
        choices=("none", "auto"),
    )
    train_batch_size: int = knob(32, "Images a step.", minimum=1)
    micro_batches: str = knob(
        "auto",
        "Equal parts that a step computes its batch in, one after the other, so that "
        "it takes less memory; the step stays that of the whole batch, but for the "
        "statistics of batch normalisation unless they are frozen. auto: 1, or more if "
        "the first step does not fit; a number that divides the batch: that many.",
    )
    num_eval_images: int = knob(
        0, "Validation images that an evaluation uses; 0 means all.", minimum=0
    )
    eval_batch_size: int = knob(
        None,
        "Images a batch of evaluation; no effect on the result. Lower it if an "
        "evaluation runs out of memory. "
        "Default: train_batch_size.",
        minimum=1,
    )
    train_steps_per_eval: int = knob(
        None,
        "Steps between evaluations. Default: about 20 evaluations a job, but not "
        "more than one an epoch unless the whole job is shorter.",
        minimum=1,
    )
    model_type: str = knob(
        "efficientnet-b0",
        "Network to train. hub: the SavedModel of hub_handle, with a classifier on it.",
        choices=tuple(MODEL_IMAGE_SIZES),
    )
    hub_handle: str = knob(
        "",
        "SavedModel of model_type=hub, a TF2 image feature vector of TensorFlow Hub or "
        "like one: its folder, a .tar.gz of it, or an https:// address such as "
        "tfhub.dev's, which downloads at each start.",
    )
    freeze_backbone: bool = knob(
        False,
        "Train the classifier alone, and let the SavedModel of hub_handle compute as "
        "in inference. Without it, all weights that the SavedModel calls trainable "
        "are trained.",
    )
    image_size: int = knob(
        None,
        "Width and height in pixels that images are resized to. "
        "Default: the model's native size; of hub_handle what it takes, or 224.",
        minimum=32,
        maximum=2048,
    )
    pretrained_checkpoint_path: str = knob(
        "",
        "Weights to start from: checkpoints/ of another job, a checkpoint of "
        "tensorflow/tpu, a .pth or .safetensors of timm, torchvision or "
        "efficientnet_pytorch, a .h5, .weights.h5 or .keras of keras.applications, a "
        "folder with a KerasHub preset, a SavedModel (its folder, a .tar.gz of it or "
        "an https:// address such as tfhub.dev's), or the word imagenet, which "
        "downloads. What they lack or have in another shape starts at random. "
        "Default: all at random.",
    )
    fine_tune: str = knob(
        "auto",
        "What is trained. full: all weights; head: the classifier alone, on frozen "
        "features; gradual: first the classifier, fitted to the features of up to "
        "10,000 training images before step 0, then all weights. auto: gradual with "
        "a recipe for pretrained weights if pretrained_checkpoint_path is given and "
        "none of the flags of the optimizer and the learning rate is (the log shows "
        "what it comes to), else full. "
        "The SavedModel of hub_handle counts as pretrained weights.",
        choices=("auto", "full", "head", "gradual"),
    )
    freeze_batch_norm: str = knob(
        "auto",
        "Let batch normalisation keep its statistics in training; its other weights "
        "are trained. auto: true if fine_tune comes to gradual or head.",
        choices=("auto", "true", "false"),
    )
    layer_lr_decay: float = knob(
        1.0,
        "Factor of the learning rate from each block of the network to the one below; "
        "1: all learn alike. 0.8 keeps what pretrained weights know of edges and "
        "textures. The SavedModel of hub_handle is one block.",
        above=0.0,
        maximum=1.0,
    )
    optimizer_type: str = knob(
        "momentum", "Optimizer.", choices=tuple(OPTIMIZER_ARGUMENTS)
    )
    optimizer_arguments: str = knob(
        None,
        "Arguments of the optimizer as name=value,name=value. momentum: momentum, "
        "use_nesterov; adam: beta1, beta2, epsilon; rmsprop: decay, momentum, "
        "epsilon; adadelta: rho, epsilon; adagrad: initial_accumulator_value. "
        "Default: momentum=0.9 for momentum, else the optimizer's own.",
    )
    learning_rate_decay_type: str = knob(
        "cosine", "Learning rate after warm-up.", choices=("cosine", "stepwise")
    )
    initial_learning_rate: float = knob(
        0.0001,
        "Learning rate after warm-up; not scaled by the batch size. The default is "
        "the service's and low: 0.001 a batch image (0.128 at 128) suits momentum.",
        above=0.0,
    )
    warmup_learning_rate: float = knob(
        0.0001, "Learning rate at step 0 of warm-up.", minimum=0.0
    )
    warmup_steps: int = knob(
        0,
        "Steps in which the rate goes in a line from warmup_learning_rate to "
        "initial_learning_rate.",
        minimum=0,
    )
    decay_steps: int = knob(
        None,
        "Step at which cosine decay reaches zero. Default: max_steps.",
        minimum=1,
    )
    stepwise_learning_rate_steps: str = knob(
        "10000,20000",
        "Steps at which the rate changes; read when learning_rate_decay_type is "
        "stepwise.",
    )
    stepwise_learning_rate_levels: str = knob(
        "0.008,0.0008",
        "Rate from each of stepwise_learning_rate_steps on; as many as those.",
    )
    label_smoothing: float = knob(
        0.1,
        "Share of the target spread evenly over all classes.",
        minimum=0.0,
        below=1.0,
    )
    weight_decay: float = knob(
        0.0001,
        "Loss = cross entropy + weight_decay x L2 of the weights, without those of "
        "batch normalisation.",
        minimum=0.0,
    )
    dropout_rate: float = knob(
        None,
        "Share of the features that the classifier of an EfficientNet or of hub_handle "
        "goes without in training. Default: the model's own, 0.2 to 0.5.",
        minimum=0.0,
        below=1.0,
    )
    survival_prob: float = knob(
        None,
        "Share of the images that go through the last block of an EfficientNet in "
        "training; others skip it. Earlier blocks are skipped less (stochastic "
        "depth). Default: the model's own, about 0.8.",
        above=0.0,
        maximum=1.0,
    )
    augmentation: str = knob(
        "standard",
        "What happens to a training picture. standard: a random crop, mirrored every "
        "other time; none: the centre crop of an evaluation; randaugment: standard, "
        "then two random operations of 14 (Cubuk et al. 2019); trivialaugment: "
        "standard, then one of random strength (Mueller & Hutter 2021). The last two "
        "pay in long jobs.",
        choices=("none", "standard", "randaugment", "trivialaugment"),
    )
    min_crop_area: float = knob(
        0.08,
        "Share of a picture that its random crop has at least. More than the service's "
        "0.08 makes a short job learn faster.",
        above=0.0,
        maximum=1.0,
    )
    mixup_alpha: float = knob(
        0.0,
        "Blend pairs of training pictures and their targets with a share drawn from "
        "Beta(alpha, alpha) (Zhang et al. 2017); 0: none. 0.2 is usual.",
        minimum=0.0,
    )
    cutmix_alpha: float = knob(
        0.0,
        "Paste a part of one training picture into another, its area drawn from "
        "Beta(alpha, alpha), and share the target (Yun et al. 2019); 0: none. 1 is "
        "usual. With mixup_alpha as well, each pair has one of the two.",
        minimum=0.0,
    )
    random_erasing: float = knob(
        0.0,
        "Share of the training pictures in which a rectangle of 2 to 33 % of the area "
        "is painted over (Zhong et al. 2017). 0.25 is usual.",
        minimum=0.0,
        maximum=1.0,
    )
    class_weights: str = knob(
        "none",
        "Weight of each class in the training loss. balanced: one over the number of "
        "its images; effective: one over its effective number (Cui et al. 2019), which "
        "is milder. The mean over all images is 1; evaluations weigh nothing.",
        choices=("none", "balanced", "effective"),
    )
    gradient_clip_norm: float = knob(
        0.0,
        "Gradients whose norm over all weights is larger are scaled down to it; 0: "
        "none are. 1 to 10 steadies a start that diverges.",
        minimum=0.0,
    )
    moving_average_decay: float = knob(
        0.0,
        "Evaluate and export moving averages of weights and batch-norm statistics "
        "with this decay, which warms up as min(decay, (1 + step) / (10 + step)); 0: "
        "the weights themselves. 0.99 suits a thousand steps, 0.9999 a hundred "
        "thousand.",
        minimum=0.0,
        below=1.0,
    )
    early_stopping_evals: int = knob(
        0,
        "End the job after this many evaluations in a row without a better "
        "top_1_accuracy; 0: take all steps.",
        minimum=0,
    )
    label_offset: str = knob(
        "auto",
        "Label of the first class: 1 as documented, or 0. auto: 1, unless the data "
        "has labels 0 and none equal to num_classes.",
        choices=("auto", "0", "1"),
    )
    max_bad_records: int = knob(
        None,
        "Damaged or undecodable records that each split may have; they are skipped, "
        "one more ends the job. Default: 0.1 % of the split's records, at least 10.",
        minimum=0,
    )
    precision: str = knob(
        "auto",
        "Type that layers compute in; weights stay float32. auto: what is fastest "
        "on this device without loss of range.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    num_gpus: int = knob(
        None,
        "GPUs of each machine to train on; they share each batch. 0 is the CPU. "
        "Default: all.",
        minimum=0,
    )
    profile_steps: str = knob(
        "",
        "First and last step to write a TensorBoard profile of, such as 100,110; it "
        "is in logs/plugins/profile. Default: none.",
    )
    seed: int = knob(
        0,
        "Seed of initial weights, order and augmentation: the same seed and data "
        "give the same weights on a CPU.",
        minimum=0,
        maximum=2**31 - 1,
    )
    checkpoint_secs: int = knob(
        600,
        "Seconds between checkpoints; each evaluation saves one as well.",
        minimum=1,
    )
    report: bool = knob(
        True,
        "Write report/index.html and report/model_card.md at the end, for which the "
        "best model is scored once more, from its files. A report that can't be "
        "written is only warned of.",
    )
    cache_dir: str = cache_dir_knob()
    cache_gb: float = cache_gb_knob()
    cache_decoded: float = knob(
        0.0,
        "GiB of memory in which training pictures stay decoded, so that later epochs "
        "find them; 0: each epoch decodes. Changes no weight. A photograph of 400x533 "
        "takes 0.64 MB; what does not fit is decoded each time. Pays where steps wait "
        "for data: small networks, a GPU beside few cores. Each process has its own.",
        minimum=0.0,
    )

    @property
    def resolved_image_size(self) -> int:
        """Side of the model's input in pixels."""
        return self.image_size or MODEL_IMAGE_SIZES[self.model_type]

    @property
    def has_pretrained_weights(self) -> bool:
        """Whether the network starts from weights that know something."""
        return bool(self.pretrained_checkpoint_path) or self.model_type == HUB

    @property
    def freezes_batch_norm(self) -> bool:
        """Whether batch normalisation keeps its statistics in training."""
        if self.freeze_batch_norm == "auto":
            return self.fine_tune in ("gradual", "head")
        return self.freeze_batch_norm == "true"

    @property
    def given_micro_batches(self) -> int | None:
        """Parts of a batch; None to take as few as fit into memory."""
        return None if self.micro_batches == "auto" else int(self.micro_batches)

    @property
    def resolved_eval_batch_size(self) -> int:
        """Images a batch of evaluation."""
        return self.eval_batch_size or self.train_batch_size

    @property
    def resolved_decay_steps(self) -> int:
        """Step at which cosine decay reaches zero."""
        return self.decay_steps or self.max_steps

    @property
    def resolved_optimizer_arguments(self) -> dict[str, float | bool]:
        """The optimizer's keyword arguments, defaults filled in."""
        given = parse_optimizer_arguments(self.optimizer_arguments or "")
        return {**OPTIMIZER_ARGUMENTS[self.optimizer_type], **given}

    @property
    def stepwise_levels(self) -> tuple[tuple[int, float], ...]:
        """(step, learning rate from that step on), in order of steps."""
        steps = parse_numbers(self.stepwise_learning_rate_steps, int)
        levels = parse_numbers(self.stepwise_learning_rate_levels, float)
        return tuple(zip(steps, levels, strict=True))

    @property
    def profiled_steps(self) -> tuple[int, int] | None:
        """First and last step of the profile; None without one."""
        if not self.profile_steps:
            return None
        first, last = parse_numbers(self.profile_steps, int)
        return first, last

    def resolved_max_bad_records(self, num_records: int) -> int:
        """Bad records that a split of this many records may have."""
        if self.max_bad_records is not None:
            return self.max_bad_records
        return allow_bad_records(num_records)

    def resolved_train_steps_per_eval(self, num_examples: int) -> int:
        """Steps between evaluations for a training set of this many examples."""
        if self.train_steps_per_eval:
            return self.train_steps_per_eval
        steps_per_epoch = math.ceil(num_examples / self.train_batch_size)
        wanted = math.ceil(self.max_steps / DEFAULT_EVALUATIONS)
        return min(self.max_steps, max(wanted, steps_per_epoch))

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each combination of values that can't work."""
        yield from train_checks.find_problems(self)
        yield from self.problems_of_cache()

    def warnings(self) -> Iterator[str]:
        """Yields a sentence for each combination that works, but hardly as meant."""
        yield from train_checks.find_warnings(self)


def allow_bad_records(num_records: int) -> int:
    """Bad records that a split of this many may have if the user does not say."""
    return max(MIN_BAD_RECORDS, int(BAD_RECORDS_SHARE * num_records))
