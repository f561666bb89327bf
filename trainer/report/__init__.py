"""What happened in a job, for people: a page and a model card."""
