from xml.etree import ElementTree

import pytest

from trainer.report import plot_style


def draw(name="a", label="plain", colour=plot_style.SERIES[0]):
    with plot_style.styled():
        figure, axes = plot_style.open_figure(height=2)
        axes.plot([1, 2], [3, 4], color=colour)
        axes.set(xlabel=label)
        return plot_style.to_svg(figure, name, "A line & more")


def test_colours_are_the_pages():
    svg = draw()
    for variable in ("currentColor", "var(--grid)", "var(--series-1)"):
        assert variable in svg
    for stand_in in (plot_style.TEXT, plot_style.GRID, *plot_style.SERIES):
        assert stand_in not in svg


def test_it_is_well_formed_says_what_it_shows_and_has_no_background():
    svg = draw()
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert "A line &amp; more" in svg
    assert "fill: #ffffff" not in svg


def test_the_same_data_gives_the_same_bytes():
    assert draw() == draw()


def test_ids_of_two_figures_differ():
    def ids(svg):
        root = ElementTree.fromstring(svg)
        paths = (one.get("id") for one in root.iter() if one.tag.endswith("clipPath"))
        return set(paths)

    first, second = ids(draw("a")), ids(draw("b"))
    assert first
    assert not first & second


@pytest.mark.parametrize("label", ["$x_1$", "a $ b", "<b>&", "帽子", "_", ""])
def test_any_name_of_a_class_is_text_as_it_is(label):
    texts = [one.text for one in ElementTree.fromstring(draw(label=label)).iter()]
    assert label in texts or not label


def test_the_settings_of_others_stay():
    import matplotlib as mpl

    before = mpl.rcParams["text.color"]
    draw()
    assert mpl.rcParams["text.color"] == before
