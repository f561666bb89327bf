"""Configuration -> best weights."""
