from trainer import storage
from trainer.report import curve_plots, job_record, plot_style


def draw(layout):
    with plot_style.styled():
        return dict(curve_plots.draw_curves(job_record.read_job(layout)))


def test_there_is_a_plot_of_each_course(finished_job):
    found = draw(finished_job)
    assert list(found) == ["Loss", "Accuracy", "Learning rate", "Speed"]
    assert "training, smoothed" in found["Loss"]
    assert "best model" in found["Accuracy"]
    assert "% waiting" in found["Speed"]
    # Top 5 of three classes says nothing.
    assert "top 5" not in found["Accuracy"]


def test_a_job_without_a_course_has_its_evaluations(finished_job):
    storage.remove_files([finished_job.curve_path])
    found = draw(finished_job)
    assert list(found) == ["Loss", "Accuracy"]
    assert "training, smoothed" not in found["Loss"]


def test_smoothing_weighs_steps_and_keeps_a_constant(finished_job):
    job = job_record.read_job(finished_job)
    values = [2.0] * len(job.points)
    assert curve_plots._smooth(job, values).tolist() == values
