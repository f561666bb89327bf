import pytest

from trainer import config


def build(**flags):
    return config.TrainConfig(**{"num_classes": 5, "max_steps": 100, **flags})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"model_type": "resnet-18", "dropout_rate": 0.1},
            "--dropout_rate=0.1 needs an EfficientNet; --model_type=resnet-18",
        ),
        (
            {"model_type": "resnet-18", "survival_prob": 0.9},
            "--survival_prob=0.9 needs an EfficientNet; --model_type=resnet-18",
        ),
        (
            {"model_type": "hub", "hub_handle": "a", "survival_prob": 0.9},
            "--survival_prob=0.9 needs an EfficientNet; --model_type=hub leaves",
        ),
        ({"model_type": "hub"}, "--model_type=hub needs --hub_handle: the folder,"),
        (
            {"hub_handle": "a"},
            "--hub_handle=a needs --model_type=hub, got --model_type=efficientnet-b0;",
        ),
        (
            {"freeze_backbone": True},
            "--freeze_backbone=True needs --model_type=hub, got --model_type=eff",
        ),
        (
            {"model_type": "hub", "hub_handle": "a", "pretrained_checkpoint_path": "b"},
            "--pretrained_checkpoint_path=b can't be given with --model_type=hub,",
        ),
        (
            {"model_type": "hub", "hub_handle": "a", "precision": "float16"},
            "--precision=float16 can't be had with --model_type=hub: a SavedModel",
        ),
        (
            {"max_minutes": 5, "learning_rate_decay_type": "stepwise"},
            "which --max_minutes can't plan; use cosine or --max_steps.",
        ),
        (
            {"max_minutes": 5, "decay_steps": 90},
            "--decay_steps=90 and --max_minutes=5 both say when the rate has decayed",
        ),
        (
            {"optimizer_arguments": "momentum"},
            "--optimizer_arguments: expected name=value,name=value",
        ),
        (
            {"optimizer_arguments": "beta1=0.9"},
            "momentum takes momentum, use_nesterov, got 'beta1'.",
        ),
        (
            {"optimizer_arguments": "use_nesterov=0.9"},
            "use_nesterov must be True or False, got 0.9.",
        ),
        (
            {"optimizer_arguments": "momentum=True"},
            "momentum must be a number, got True.",
        ),
        (
            {
                "learning_rate_decay_type": "stepwise",
                "stepwise_learning_rate_steps": "a",
            },
            "expected a comma list of ints, got 'a'.",
        ),
        (
            {
                "learning_rate_decay_type": "stepwise",
                "stepwise_learning_rate_steps": "5",
            },
            "as many entries as --stepwise_learning_rate_steps, got 2 and 1.",
        ),
        (
            {
                "learning_rate_decay_type": "stepwise",
                "stepwise_learning_rate_steps": "20,10",
            },
            "must rise and start at or after --warmup_steps=0, got 20,10.",
        ),
        (
            {
                "learning_rate_decay_type": "stepwise",
                "stepwise_learning_rate_levels": "0.1,-1",
            },
            "--stepwise_learning_rate_levels must be 0 or more, got 0.1,-1.",
        ),
    ],
)
def test_values_that_do_not_fit_together_are_named(flags, message):
    (problem,) = build(**flags).problems()
    assert message in problem


def test_the_defaults_have_no_problem():
    assert not list(build().problems())
    assert not list(build(learning_rate_decay_type="stepwise").problems())
    hub = build(model_type="hub", hub_handle="a", dropout_rate=0.1, fine_tune="head")
    assert not [*hub.problems(), *hub.warnings()]


def test_a_job_that_is_all_warm_up_is_warned_of():
    (warning,) = build(warmup_steps=100).warnings()
    assert warning == (
        "--warmup_steps=100 is not below --max_steps=100: the whole job is warm-up."
    )
    assert not list(build(warmup_steps=99).warnings())


@pytest.mark.parametrize(
    ("optimizer_type", "text", "expected"),
    [
        ("momentum", None, {"momentum": 0.9, "use_nesterov": False}),
        (
            "momentum",
            "momentum=0.9,use_nesterov=False",
            {"momentum": 0.9, "use_nesterov": False},
        ),
        ("momentum", " use_nesterov = true ", {"momentum": 0.9, "use_nesterov": True}),
        (
            "rmsprop",
            "decay=0.8,epsilon=1e-3",
            {"decay": 0.8, "momentum": 0.0, "epsilon": 1e-3},
        ),
    ],
)
def test_optimizer_arguments_take_the_optimizers_defaults(
    optimizer_type, text, expected
):
    job = build(optimizer_type=optimizer_type, optimizer_arguments=text)
    assert job.resolved_optimizer_arguments == expected


@pytest.mark.parametrize(
    ("flags", "num_examples", "expected"),
    [
        ({"max_steps": 2000, "train_batch_size": 32}, 320, 100),
        ({"max_steps": 2000, "train_batch_size": 32}, 32000, 1000),
        ({"max_steps": 10, "train_batch_size": 32}, 32000, 10),
        ({"max_steps": 2000, "train_steps_per_eval": 7}, 32000, 7),
    ],
    ids=["twenty a job", "one an epoch", "short job", "as asked"],
)
def test_steps_between_evaluations(flags, num_examples, expected):
    assert build(**flags).resolved_train_steps_per_eval(num_examples) == expected


def test_derived_values_follow_the_flags_they_derive_from():
    job = build(model_type="efficientnet-b3", train_batch_size=8)
    assert job.resolved_image_size == 300
    assert job.resolved_eval_batch_size == 8
    assert job.resolved_decay_steps == 100
    given = build(image_size=64, eval_batch_size=3, decay_steps=50)
    assert given.resolved_image_size == 64
    assert given.resolved_eval_batch_size == 3
    assert given.resolved_decay_steps == 50


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, "Give --images_dir, or all of --train_csv"),
        ({"train_csv": "a.csv"}, "Give --images_dir, or all of --train_csv"),
        ({"images_dir": "a", "train_csv": "b"}, "exclude each other."),
        ({"images_dir": "a", "split": "train:x"}, "--split: expected name:share"),
        ({"images_dir": "a", "split": "train:0.5"}, "add up to 1, got 'train:0.5'."),
    ],
)
def test_a_conversion_that_cannot_work_is_named(flags, message):
    (problem,) = config.ConvertConfig(output_dir="out", **flags).problems()
    assert message in problem


def test_a_conversion_on_dataflow_may_have_a_tree_in_a_bucket():
    job = config.ConvertConfig(
        images_dir="gs://b/photos",
        output_dir="gs://b/out",
        runner="DataflowRunner",
        project_id="p",
        region="r",
        temp_location="gs://b/temp",
    )
    assert list(job.problems()) == []


@pytest.mark.parametrize(
    "job",
    [build(cache_dir="gs://b/x"), config.InspectConfig(("a",), cache_dir="gs://b/x")],
)
def test_a_cache_has_to_be_local(job):
    assert list(job.problems()) == ["--cache_dir must be a local folder, got gs://b/x."]


def test_train_and_inspect_share_a_cache():
    train, inspect = build(), config.InspectConfig(("a",))
    assert train.resolved_cache_dir == inspect.resolved_cache_dir
    assert train.num_cache_bytes == inspect.num_cache_bytes == 10 * 2**30
    given = config.InspectConfig(("a",), cache_dir="/d", cache_gb=0.5)
    assert (given.resolved_cache_dir, given.num_cache_bytes) == ("/d", 2**29)


def test_a_conversion_on_dataflow_names_all_that_it_lacks():
    lists = dict.fromkeys(["train_csv", "validation_csv", "labels_file"], "gs://b/x")
    job = config.ConvertConfig(output_dir="out", runner="DataflowRunner", **lists)
    needs = "--runner=DataflowRunner needs --"
    assert [problem.removeprefix(needs).split()[0] for problem in job.problems()] == [
        *("project_id;", "region;", "temp_location;"),
        "--output_dir",
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"region": "us-central1"}, "--region=us-central1 is for --runner=DataflowR"),
        ({"temp_location": "gs://b/t"}, "--temp_location=gs://b/t is for --runner=D"),
        (
            {
                "runner": "DataflowRunner",
                "project_id": "p",
                "region": "r",
                "temp_location": "/tmp",
                "output_dir": "gs://b/out",
            },
            "--temp_location must be a gs:// path with --runner=DataflowRunner",
        ),
        (
            {
                "runner": "DataflowRunner",
                "project_id": "p",
                "region": "r",
                "temp_location": "gs://b/temp",
                "output_dir": "gs://b/out",
                "images_dir": "photos",
                **dict.fromkeys(["train_csv", "validation_csv", "labels_file"], ""),
            },
            "--images_dir=photos is a folder of this machine",
        ),
    ],
    ids=["region", "temp", "local-temp", "local-images"],
)
def test_a_runner_with_flags_of_another_is_named(flags, message):
    lists = dict.fromkeys(["train_csv", "validation_csv", "labels_file"], "gs://b/x")
    given = {"output_dir": "out", **lists, **flags}
    (problem,) = config.ConvertConfig(**given).problems()
    assert message in problem


@pytest.mark.parametrize(
    ("num_records", "expected"), [(1, 10), (10_999, 10), (20_000, 20)]
)
def test_a_split_may_have_one_bad_record_in_a_thousand(num_records, expected):
    assert build().resolved_max_bad_records(num_records) == expected
    assert build(max_bad_records=0).resolved_max_bad_records(num_records) == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"job_id": "1a"}, "JOB_ID must be letters"),
        ({"job_id": "a" * 129}, "JOB_ID must be letters"),
        ({"format": "table"}, "--format must be json, yaml or value"),
        ({"labels": "a"}, "--labels: expected name=value"),
        ({"labels": "a=b,a=c"}, "--labels: expected each name once"),
        ({"master_accelerator": "count=1"}, "--master_accelerator must be like"),
        ({"master_accelerator": "type=a,count=x"}, "--master_accelerator must be like"),
    ],
)
def test_what_can_not_be_read_of_a_submission_is_named(given, expected):
    problems = list(config.SubmitConfig(**{"job_id": "one", **given}).problems())
    assert len(problems) == 1
    assert problems[0].startswith(expected)


@pytest.mark.parametrize("job_id", ["a", "A_1", "a" * 128])
def test_job_ids_of_the_service_are_taken(job_id):
    formats = ("", "json", "yaml", "value(state)", "value(jobId,trainingInput.region)")
    for name in formats:
        assert not list(config.SubmitConfig(job_id=job_id, format=name).problems())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, "Give pictures, as in: predict --model_dir=... photo.jpg photos/, or"),
        ({"images": ("a",), "instances": "b"}, "Give pictures, as in:"),
        ({"images": ("a",), "json": "-", "csv": "-"}, "can't both go to standard out"),
        ({"instances": "a", "csv": "b"}, "--csv=b does not go with --instances"),
        ({"instances": "a", "labels_file": "b"}, "--labels_file=b does not go with"),
    ],
)
def test_what_predict_can_not_do_at_once_is_said(flags, message):
    (problem,) = config.PredictConfig(model_dir="m", **flags).problems()
    assert message in problem


def test_what_predict_can_do_at_once_has_no_problem():
    for flags in (
        {"images": ("a",), "json": "-", "csv": "b"},
        {"instances": "-", "json": "-"},
    ):
        assert not list(config.PredictConfig(model_dir="m", **flags).problems())


def test_a_batch_on_dataflow_needs_paths_that_other_machines_reach():
    job = config.BatchPredictConfig(
        model_dir="model",
        data_format="JSON",
        input_paths=("gs://b/a.jsonl", "b.jsonl"),
        output_path="gs://b/out",
        runner="DataflowRunner",
        project_id="p",
        region="r",
        temp_location="/tmp",
    )
    found = [problem.split(" must")[0] for problem in job.problems()]
    assert found == ["--model_dir", "--input_paths", "--temp_location"]
    assert "got b.jsonl; give gs://" in list(job.problems())[1]


def test_a_batch_on_this_machine_has_no_use_for_a_region():
    job = config.BatchPredictConfig("model", "JSON", ("a",), "out", region="r")
    (problem,) = job.problems()
    assert problem.startswith("--region=r is for --runner=DataflowRunner only")


@pytest.mark.parametrize("kind", ["head", "gradual"])
def test_frozen_random_weights_are_warned_of(kind):
    (warning,) = build(fine_tune=kind).warnings()
    assert f"--fine_tune={kind} without --pretrained_checkpoint_path" in warning
    assert not list(build(fine_tune=kind, pretrained_checkpoint_path="a").warnings())
