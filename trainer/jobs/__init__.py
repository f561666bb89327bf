"""The service around the trainer: its config.yaml, tuning, and jobs. No TensorFlow."""
