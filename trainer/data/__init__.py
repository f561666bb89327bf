"""Bytes on disk -> batches of images and labels."""
