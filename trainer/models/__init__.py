"""model_type -> keras.Model."""
