import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from trainer.data import normalize

WIDTH, HEIGHT = 24, 16
RED = (254, 0, 0)


def decode(picture):
    image = Image.open(io.BytesIO(picture.encoded))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert (picture.height, picture.width) == (image.height, image.width)
    return np.asarray(image).astype(int)


def load(path):
    picture = normalize.load_picture(str(path))
    assert isinstance(picture, normalize.Picture), picture
    return picture


def assert_colour(pixels, colour):
    assert np.abs(pixels - np.array(colour)).max() <= 4


def test_plain_jpeg_keeps_its_bytes(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (WIDTH, HEIGHT), RED).save(path, comment=b"kept", quality=60)
    picture = load(path)
    assert picture == (path.read_bytes(), HEIGHT, WIDTH)


@pytest.mark.parametrize(
    "orientation", [0, 1, 9], ids=["invalid", "upright", "unknown"]
)
def test_jpeg_with_an_exif_that_turns_nothing_keeps_its_bytes(tmp_path, orientation):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[normalize.ORIENTATION_TAG] = orientation
    Image.new("RGB", (WIDTH, HEIGHT)).save(path, exif=exif)
    assert load(path).encoded == path.read_bytes()


def test_jpeg_turned_by_exif_is_stored_upright(tmp_path):
    path = tmp_path / "a.jpg"
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, : WIDTH // 2] = RED
    exif = Image.Exif()
    exif[normalize.ORIENTATION_TAG] = 6  # Turn clockwise to view: left becomes top.
    Image.fromarray(pixels).save(path, exif=exif, quality=95, subsampling=0)
    picture = load(path)
    shown = decode(picture)
    assert (picture.height, picture.width) == (WIDTH, HEIGHT)
    assert_colour(shown[:8], RED)
    assert_colour(shown[-8:], (0, 0, 0))
    assert (
        normalize.ORIENTATION_TAG
        not in Image.open(io.BytesIO(picture.encoded)).getexif()
    )


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "webp", "tif"])
def test_other_formats_become_jpeg(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (WIDTH, HEIGHT), RED).save(path)
    assert_colour(decode(load(path)), RED)


def test_converted_jpeg_has_quality_95_and_full_colour_resolution(tmp_path):
    path = tmp_path / "a.png"
    image = Image.new("RGB", (WIDTH, HEIGHT), RED)
    image.save(path)
    expected = io.BytesIO()
    image.save(expected, "JPEG", quality=95, subsampling=0)
    assert load(path).encoded == expected.getvalue()


def test_gif_shows_its_first_frame(tmp_path):
    path = tmp_path / "a.gif"
    first, second = (Image.new("RGB", (WIDTH, HEIGHT), c) for c in (RED, (0, 0, 255)))
    first.save(path, save_all=True, append_images=[second])
    assert_colour(decode(load(path)), RED)


def test_grey_jpeg_becomes_rgb(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("L", (WIDTH, HEIGHT), 100).save(path)
    assert_colour(decode(load(path)), (100, 100, 100))


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (WIDTH, HEIGHT), (0, 255, 255, 0)).save(path, quality=95)
    assert b"Adobe" in path.read_bytes()
    assert_colour(decode(load(path)), (255, 0, 0))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_is_laid_on_white(tmp_path, mode):
    path = tmp_path / "a.tif" if mode == "PA" else tmp_path / "a.png"
    colour = (0, 0, 0, 0) if mode == "RGBA" else (0, 0)
    Image.new(mode, (WIDTH, HEIGHT), colour).save(path)
    assert_colour(decode(load(path)), (255, 255, 255))


def test_half_transparent_black_is_grey(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 128)).save(path)
    assert_colour(decode(load(path)), (127, 127, 127))


def test_palette_with_a_transparent_entry_is_laid_on_white(tmp_path):
    path = tmp_path / "a.png"
    image = Image.new("P", (WIDTH, HEIGHT), 0)
    image.putpalette([0, 0, 0, 254, 0, 0])
    image.paste(1, (0, 0, 16, HEIGHT))
    image.save(path, transparency=0)
    pixels = decode(load(path))
    assert_colour(pixels[:, :16], RED)
    assert_colour(pixels[:, 16:], (255, 255, 255))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    values = np.repeat(np.array([0, 16448, 32896, 65535], np.uint16), 8)
    Image.fromarray(np.tile(values, (8, 1))).save(path)
    pixels = decode(load(path))
    for index, expected in enumerate([0, 64, 128, 255]):
        assert_colour(pixels[:, index * 8 : index * 8 + 8], [expected] * 3)


def draw_waves(width, height):
    """A picture that survives being made smaller: a smooth wave in each direction."""
    down, right = np.mgrid[:height, :width]
    waves = [np.sin(6 * (down + 0.5) / height), np.cos(6 * (right + 0.5) / width)]
    red, green = (np.uint8(127 + 100 * wave) for wave in waves)
    return Image.fromarray(np.stack([red, green, red], -1))


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif"])
@pytest.mark.parametrize(
    ("size", "expected"),
    [((640, 480), (53, 40)), ((480, 640), (40, 53)), ((41, 900), (40, 878))],
)
def test_a_large_picture_is_made_smaller(tmp_path, suffix, size, expected):
    path = tmp_path / f"a.{suffix}"
    draw_waves(*size).save(path)
    picture = normalize.load_picture(str(path), 40)
    assert (picture.width, picture.height) == expected
    # GIF has 256 colours.
    differences = np.abs(
        decode(picture) - np.asarray(draw_waves(*expected)).astype(int)
    )
    assert differences.mean() < 8


def test_a_picture_of_the_largest_size_keeps_its_bytes(tmp_path):
    path = tmp_path / "a.jpg"
    draw_waves(640, 40).save(path)
    assert normalize.load_picture(str(path), 40).encoded == path.read_bytes()


def test_a_small_picture_is_not_made_larger(tmp_path):
    path = tmp_path / "a.png"
    draw_waves(30, 20).save(path)
    picture = normalize.load_picture(str(path), 40)
    assert (picture.width, picture.height) == (30, 20)


def test_a_large_picture_is_turned_too(tmp_path):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[normalize.ORIENTATION_TAG] = 6
    draw_waves(640, 480).save(path, exif=exif)
    picture = normalize.load_picture(str(path), 40)
    assert (picture.width, picture.height) == (40, 53)
    turned = np.asarray(draw_waves(53, 40).rotate(-90, expand=True)).astype(int)
    assert np.abs(decode(picture) - turned).mean() < 3


def test_a_large_truncated_file_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    draw_waves(640, 480).save(path)
    path.write_bytes(path.read_bytes()[:-300])
    assert "can't be decoded" in normalize.load_picture(str(path), 40)


def test_32_bit_pixels_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(np.ones((8, 8), np.float32)).save(path)
    assert "32 bits a pixel" in normalize.load_picture(str(path))


@pytest.mark.parametrize("missing_bytes", [40, 300])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_truncated_file_is_refused(tmp_path, suffix, missing_bytes):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-missing_bytes])
    assert "can't be decoded" in normalize.load_picture(str(path))


def test_text_named_jpg_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_text("hello")
    assert normalize.load_picture(str(path)) == (
        "bytes of another kind; save it as JPEG or PNG"
    )


def test_missing_file_is_refused(tmp_path):
    found = normalize.load_picture(str(tmp_path / "a.jpg"))
    assert found == "no file; check the path"


def write_empty_png(path, width, height):
    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")
    )


def test_picture_above_the_pixel_limit_is_refused(tmp_path):
    path = tmp_path / "a.png"
    write_empty_png(path, 13_400, 13_400)
    assert normalize.load_picture(str(path)) == (
        "a picture of more than 178,956,970 pixels; scale it down"
    )


def test_workers_do_not_import_tensorflow():
    code = "import sys, trainer.data.normalize; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
