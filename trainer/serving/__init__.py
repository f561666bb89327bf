"""Best weights -> predictions."""
