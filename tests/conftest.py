from tests.jobs import data_dir

__all__ = ["data_dir"]
