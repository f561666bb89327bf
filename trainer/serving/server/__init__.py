"""The word serve: a model behind HTTP, with the routes that its clients know."""
