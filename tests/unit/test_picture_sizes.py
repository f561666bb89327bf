import io

from PIL import Image

from tests import pictures
from trainer.report.picture_sizes import PictureSizes


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = io.BytesIO()
    Image.new("RGB", (50, 70)).save(content, "JPEG", exif=exif)
    return content.getvalue()


def test_sizes_formats_and_turned_pictures_are_said():
    sizes = PictureSizes()
    sizes.add([pictures.encode(pictures.draw(20, 30)), turned()])
    sizes.add([pictures.encode(pictures.draw(40, 1200), "png")])
    assert sizes.describe() == (
        "Scored pictures are 30 to 1,200 pixels wide (median 50) and 20 to 70 pixels "
        "high (median 40): JPEG 2, PNG 1. EXIF says of 1 that they are turned or "
        "mirrored, which the model ignores."
    )


def test_of_unknown_headers_nothing_is_said():
    sizes = PictureSizes()
    sizes.add([b"odd"])
    assert sizes.describe() == ""


def test_of_sizes_that_are_all_alike_one_is_said():
    sizes = PictureSizes()
    sizes.add([pictures.encode(pictures.draw(20, 30))] * 2)
    assert sizes.describe() == (
        "Scored pictures are 30 pixels wide and 20 pixels high: JPEG 2."
    )
