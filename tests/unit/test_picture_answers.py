import io
import json

import numpy as np

from trainer.serving import picture_answers as answers

NAMES = ("red", "green", "aquamarine")
GOOD = answers.Answer("a.jpg", np.array([0.25, 0.125, 0.625], np.float32))
SURE = answers.Answer("folder/b.jpg", np.array([0.0, 1.0, 0.0], np.float32))
BAD = answers.Answer("c.jpg", np.zeros(0, np.float32), "expected a picture")


def test_the_table_has_a_line_a_class_and_a_bar():
    table = answers.Table(NAMES.__getitem__, top=2)
    for one in (GOOD, BAD, SURE):
        table.add(one)
    assert table.format().splitlines() == [
        "file          class       probability",
        "a.jpg         aquamarine       62.5 %  ###################",
        "              red              25.0 %  ########",
        "c.jpg         expected a picture",
        "folder/b.jpg  green           100.0 %  ##############################",
        "              red               0.0 %",
    ]


def test_more_classes_than_there_are_cost_nothing():
    assert [name for name, _ in GOOD.rank(9)] == [2, 0, 1]


def test_json_has_an_object_a_line_with_all_probabilities():
    output = io.StringIO()
    writer = answers.JsonLines(output, NAMES.__getitem__)
    writer.add(GOOD)
    writer.add(BAD)
    assert [json.loads(line) for line in output.getvalue().splitlines()] == [
        {
            "file": "a.jpg",
            "label": "aquamarine",
            "classes": 2,
            "key": "a.jpg",
            "probabilities": [0.25, 0.125, 0.625],
        },
        {"file": "c.jpg", "error": "expected a picture"},
    ]


def test_csv_has_as_many_cells_in_each_row():
    output = io.StringIO()
    writer = answers.Csv(output, NAMES.__getitem__, top=4)
    writer.add(GOOD)
    writer.add(BAD)
    rows = output.getvalue().splitlines()
    assert rows == [
        "file,class_1,probability_1,class_2,probability_2,class_3,probability_3,"
        "class_4,probability_4,error",
        "a.jpg,aquamarine,0.625000,red,0.250000,green,0.125000,,,",
        "c.jpg,,,,,,,,,expected a picture",
    ]
