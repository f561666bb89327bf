"""Kernels in C++ for what the input does to every picture of a training."""
