from trainer.data import text_table


def test_names_are_on_the_left_and_numbers_on_the_right():
    assert text_table.align([["", "images"], ["cat", "7"], ["a dog", "12"]]) == [
        "       images",
        "cat         7",
        "a dog      12",
    ]
