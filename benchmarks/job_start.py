"""Once imported, the process is as a job's: comes before TensorFlow's import."""

from trainer import environment

environment.keep_freed_memory()
environment.prefer_onednn()
