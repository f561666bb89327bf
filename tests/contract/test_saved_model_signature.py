import re
import subprocess
import sys

import keras
import pytest

from trainer.serving import export

# As the guide of the built-in algorithm prints it, for 5 classes.
GUIDE = """\
The given SavedModel SignatureDef contains the following input(s):
  inputs['image_bytes'] tensor_info:
      dtype: DT_STRING
      shape: (-1)
      name: Placeholder:0
  inputs['key'] tensor_info:
      dtype: DT_STRING
      shape: (-1)
      name: key:0
The given SavedModel SignatureDef contains the following output(s):
  outputs['classes'] tensor_info:
      dtype: DT_INT64
      shape: (-1)
      name: ArgMax:0
  outputs['key'] tensor_info:
      dtype: DT_STRING
      shape: (-1)
      name: Identity:0
  outputs['probabilities'] tensor_info:
      dtype: DT_FLOAT
      shape: (-1, 5)
      name: softmax_tensor:0
Method name is: tensorflow/serving/predict
"""


def saved_model_cli(*arguments):
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    done = subprocess.run(
        [*command, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5)]
    model = keras.Sequential([keras.Input([32, 32, 3]), *layers])
    export_dir = str(tmp_path_factory.mktemp("job") / "model")
    export.export_saved_model(model, export_dir, image_size=32, num_classes=5)
    return saved_model_cli("show", "--dir", export_dir, "--all")


def test_signatures_are_what_the_guide_prints(shown):
    # --all prints each signature as --signature_def does, two columns to the right.
    shown = shown.partition("\nThe MetaGraph with tag set")[0]
    parts = re.split(r"^signature_def\['(\w+)'\]:\n", shown, flags=re.MULTILINE)
    signatures = dict(zip(parts[1::2], parts[2::2], strict=True))
    texts = {
        name: re.sub("^  ", "", text, flags=re.MULTILINE).strip()
        for name, text in signatures.items()
    }
    assert texts == dict.fromkeys(["classify", "serving_default"], GUIDE.strip())


def test_the_only_tag_set_is_serve(shown):
    assert re.findall(r"MetaGraphDef with tag-set: '(.*)'", shown) == ["serve"]
