from trainer.report import markup

ODD = "<script>\"&'"
SAFE = "&lt;script&gt;&quot;&amp;&#x27;"


def test_all_texts_are_escaped():
    for found in (
        markup.section(ODD),
        markup.paragraph(ODD),
        markup.tile(ODD, ODD, ODD),
        markup.figure(ODD, "<svg/>", ODD),
        markup.table([ODD], [[ODD]]),
    ):
        assert "<script>" not in found
        assert SAFE in found


def test_numbers_of_a_table_stand_on_the_right():
    found = markup.table(["class", "images"], [["cat", 3]])
    assert '<td>cat</td><td class="number">3</td>' in found
    assert '<th>class</th><th class="number">images</th>' in found


def test_html_parts_are_kept():
    assert "<p>a</p>" in markup.section("head", markup.paragraph("a"))
    assert markup.paragraph("a", "warn") == '<p class="warn">a</p>'
    assert markup.figure("", "<svg/>") == "<figure><svg/></figure>"
