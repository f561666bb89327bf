from tests import tuning
from trainer.jobs import api_form, spec


def test_the_guides_config_has_the_apis_form(tmp_path):
    found = spec.load(str(tuning.write_config(tmp_path))).training_input
    image = "gcr.io/cloud-ml-algos/image_classification:latest"
    assert api_form.to_api(found) == {
        "scaleTier": "CUSTOM",
        "masterType": "n1-highmem-16",
        "masterConfig": {"imageUri": image},
        "workerType": "cloud_tpu",
        "workerConfig": {
            "imageUri": image,
            "tpuTfVersion": "1.14",
            "acceleratorConfig": {"type": "TPU_V2", "count": "8"},
        },
        "workerCount": "1",
        "hyperparameters": {
            "goal": "MAXIMIZE",
            "hyperparameterMetricTag": "top_1_accuracy",
            "maxTrials": 6,
            "maxParallelTrials": 3,
            "enableTrialEarlyStopping": True,
            "algorithm": "ALGORITHM_UNSPECIFIED",
            "params": [
                {
                    "parameterName": "initial_learning_rate",
                    "type": "DOUBLE",
                    "minValue": 0.001,
                    "maxValue": 0.2,
                    "scaleType": "UNIT_LOG_SCALE",
                }
            ],
        },
    }


def test_the_end_of_a_range_may_be_zero():
    param = tuning.double(0.0, 1.0, scale="NONE")
    assert api_form.to_api(param)["minValue"] == 0.0
