from trainer.data import class_table


def table(names, **splits):
    return list(class_table.format_class_table(names, splits, rest="see elsewhere"))


def test_columns_are_aligned_and_bars_are_those_of_the_first_split():
    assert table(["cat", "red fox"], train=[2000, 1000], a_long_split_name=[1, 0]) == [
        "class         train  a_long_split_name",
        "cat           2,000                  1  ##############################",
        "red fox       1,000                  0  ###############",
    ]


def test_a_class_that_is_there_has_a_mark_and_one_that_is_not_has_none():
    lines = table(["a", "b", "c"], train=[1000, 1, 0])
    assert [line.count("#") for line in lines[1:]] == [30, 1, 0]


def test_no_images_at_all_are_no_bars():
    assert "#" not in "".join(table(["a"], train=[0]))


def test_a_long_table_is_cut_and_says_where_the_rest_is():
    lines = table([str(number) for number in range(1060)], train=[1] * 1060)
    assert len(lines) == 52
    assert lines[-1] == "and 1,010 more classes, see elsewhere"
