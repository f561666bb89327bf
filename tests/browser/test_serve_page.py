"""The page of `serve` as a person meets it, in headless Chromium."""

import base64
import io
import os
import pathlib
import shutil

import pytest
from PIL import Image

from tests import saved_models, servers

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

pytestmark = pytest.mark.browser

LABELS = ("red", "green", "<b>blue</b>", "a fourth", "a fifth", "a sixth", "a seventh")
ROTATE_90 = 6
TIMEOUT_SECS = 30
# Folder for pictures of the page, for people to look at.
SCREENSHOTS = os.environ.get("SCREENSHOTS")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    model_dir = saved_models.write(
        tmp_path_factory.mktemp("job") / "model", labels=LABELS, num_classes=len(LABELS)
    )
    with servers.serving(
        f"--model_dir={model_dir}", "--model_name=colours", "--max_pixels=1000000"
    ) as server:
        yield server


@pytest.fixture(scope="module")
def driver():
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and chromedriver):
        pytest.skip("needs chromium and chromedriver (Debian: chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=chromedriver)
    driver = webdriver.Chrome(options, service)
    yield driver
    driver.quit()


@pytest.fixture
def page(driver, server):
    resize(driver, 1100, 800)
    driver.get(f"http://127.0.0.1:{server.port}/")
    wait_for(driver, lambda: find(driver, "about").text == "7 classes.")
    yield driver
    severe = [one for one in driver.get_log("browser") if one["level"] == "SEVERE"]
    # Chromium reports an answer with an error status; all else is a fault of the page.
    assert [one for one in severe if "status of 400" not in one["message"]] == []


def resize(driver, width, height, *, dark=False):
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def find(driver, name):
    return driver.find_element(By.ID, name)


def wait_for(driver, condition):
    WebDriverWait(driver, TIMEOUT_SECS).until(lambda _: condition())


def read_rows(driver):
    rows = driver.find_elements(By.CSS_SELECTOR, "#classes li")
    return [tuple(row.text.splitlines()) for row in rows]


def draw(path, colour, size=(60, 40), *, corner=None, exif=None):
    """A picture of one colour with a corner of another at its top left."""
    image = Image.new("RGB", size, colour)
    if corner:
        image.paste(Image.new("RGB", (size[0] // 2, size[1] // 2), corner))
    image.save(path, exif=exif or Image.Exif(), quality=95)
    return str(path)


def classify(driver, path):
    find(driver, "file").send_keys(path)
    wait_for(driver, lambda: find(driver, "status").text.endswith(" ms."))


def press(driver, key):
    ActionChains(driver).send_keys(key).perform()


def save_screenshot(driver, name):
    if SCREENSHOTS:
        driver.save_screenshot(os.path.join(SCREENSHOTS, f"{name}.png"))


def test_a_chosen_photo_gets_its_classes_as_bars(page, tmp_path):
    classify(page, draw(tmp_path / "green.jpg", "green"))
    rows = read_rows(page)
    assert len(rows) == 5
    assert rows[0][0] == "green"
    assert find(page, "status").text.startswith(f"green, {rows[0][1]}; answered in ")
    shares = [float(share.removesuffix(" %")) for _, share in rows]
    assert shares == sorted(shares, reverse=True)
    bars = page.find_elements(By.CSS_SELECTOR, ".bar")
    widths = [bar.rect["width"] for bar in bars]
    tracks = [bar.find_element(By.XPATH, "..").rect["width"] for bar in bars]
    for width, track, share in zip(widths, tracks, shares, strict=True):
        assert width == pytest.approx(max(track * share / 100, 2), abs=1)
    assert find(page, "name").text == "green.jpg"


def test_a_label_is_text_and_no_markup(page, tmp_path):
    classify(page, draw(tmp_path / "blue.png", "blue"))
    assert read_rows(page)[0][0] == "<b>blue</b>"


def test_a_dropped_photo_is_classified(page, tmp_path):
    content = pathlib.Path(draw(tmp_path / "red.jpg", "red")).read_bytes()
    page.execute_script(
        """
        const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "red.jpg", { type: "image/jpeg" }));
        const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true });
        document.getElementById("drop").dispatchEvent(drop);
        """,
        base64.b64encode(content).decode(),
    )
    wait_for(page, lambda: find(page, "status").text.endswith(" ms."))
    assert read_rows(page)[0][0] == "red"


def test_a_phones_photo_is_sent_upright(page, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = ROTATE_90
    path = draw(tmp_path / "phone.jpg", "red", (90, 60), corner="blue", exif=exif)
    # Keeps what the page sends.
    page.execute_script(
        "const send = window.fetch; window.fetch = (url, options) => {"
        "window.sent = options.body; return send(url, options); };"
    )
    classify(page, path)
    sent = page.execute_script("return JSON.parse(window.sent)")
    (instance,) = sent["instances"]
    encoded = base64.b64decode(instance["image_bytes"]["b64"])
    with Image.open(io.BytesIO(encoded)) as image:
        assert (image.format, image.size) == ("JPEG", (60, 90))
        # Turned clockwise, the corner is at the top right.
        red, blue = image.getpixel((5, 5)), image.getpixel((55, 5))
    assert (red[0] > 200, red[2] < 50) == (True, True)
    assert (blue[0] < 50, blue[2] > 200) == (True, True)


def test_what_is_transparent_is_seen_on_white(page, tmp_path):
    path = str(tmp_path / "clear.png")
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(path)
    classify(page, path)
    pixel = page.execute_script(
        "return Array.from(document.getElementById('picture').getContext('2d')"
        ".getImageData(20, 20, 1, 1).data)"
    )
    assert pixel == [255, 255, 255, 255]


def test_a_file_that_is_no_picture_is_said(page, tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("no picture")
    find(page, "file").send_keys(str(path))
    wait_for(page, lambda: find(page, "error").text)
    assert find(page, "error").text == (
        "No answer. This browser can't read it as a picture."
    )
    assert read_rows(page) == []
    save_screenshot(page, "error")


def test_what_the_server_refuses_is_said(page, tmp_path):
    path = draw(tmp_path / "large.png", "red", (1001, 1000))
    find(page, "file").send_keys(path)
    wait_for(page, lambda: find(page, "error").text)
    assert find(page, "error").text == (
        "No answer. instances[0]: 1001 x 1000 pixels, more than 1000000 "
        "(--max_pixels); scale it down."
    )


def test_it_is_used_by_keyboard(page, tmp_path):
    press(page, Keys.TAB)
    assert page.switch_to.active_element.get_attribute("id") == "file"
    outline = find(page, "drop").value_of_css_property("outline-style")
    assert outline == "solid"
    classify(page, draw(tmp_path / "red.jpg", "red"))
    press(page, Keys.TAB)
    assert page.switch_to.active_element.text == "Show all 7 classes"
    press(page, Keys.ENTER)
    assert read_rows(page)[0][0] == "red"
    assert len(read_rows(page)) == 7
    assert page.switch_to.active_element.get_attribute("id") == "classes"


def test_nothing_comes_from_elsewhere(page, server, tmp_path):
    classify(page, draw(tmp_path / "red.jpg", "red"))
    urls = page.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert urls
    assert all(url.startswith(f"http://127.0.0.1:{server.port}/") for url in urls)


@pytest.mark.parametrize(
    ("name", "width", "height", "dark"),
    [
        ("wide", 1100, 700, False),
        ("wide-dark", 1100, 700, True),
        ("phone", 360, 900, False),
        ("phone-dark", 360, 900, True),
    ],
)
def test_it_fits_and_can_be_read(page, tmp_path, name, width, height, dark):
    resize(page, width, height, dark=dark)
    classify(page, draw(tmp_path / "red.jpg", "#c44", (900, 600), corner="#a55"))
    save_screenshot(page, name)
    scrolled = page.execute_script(
        "return document.documentElement.scrollWidth - window.innerWidth"
    )
    assert scrolled <= 0
    for name in ("title", "about", "name", "status", "more"):
        assert measure_contrast(page, find(page, name)) >= 4.5


def measure_contrast(driver, element):
    """As WCAG 2.2 defines it, of an element's text on what is behind it."""
    return driver.execute_script(
        """
        const parse = (text) => text.match(/[\\d.]+/g).map(Number);
        const luminance = (colour) => {
          const [red, green, blue] = parse(colour).map((value) => {
            const share = value / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        };
        let behind = arguments[0];
        const isClear = (node) =>
          parse(getComputedStyle(node).backgroundColor)[3] === 0;
        while (isClear(behind)) behind = behind.parentElement;
        const colours = [
          luminance(getComputedStyle(arguments[0]).color),
          luminance(getComputedStyle(behind).backgroundColor),
        ];
        return (Math.max(...colours) + 0.05) / (Math.min(...colours) + 0.05);
        """,
        element,
    )
