"""The map page in a headless Chromium: opened from disk, the network off. Skipped, by name, where there is none."""

import base64
import csv
import io
import time

import chromium
import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from PIL import Image

from quickstudy.maps import colours, page
from quickstudy.maps.picture import Picture

N, SIDE, SHAPE = 120, 12, (10, 13)
FLAT, GLASS = "#pixels", "#webgl"
CHANCE = np.random.default_rng(0)
POINTS = CHANCE.normal(size=(N, 2)).astype(np.float32)
DRAWINGS = CHANCE.integers(0, 256, (N, SIDE, SIDE), dtype=np.uint8)
CELLS = np.stack(np.divmod(CHANCE.permutation(SHAPE[0] * SHAPE[1])[:N], SHAPE[1]), 1)
NAMES = ["cat", "dog", "eel"]
CLASSES = np.array(NAMES)[np.arange(N) % 3]
PRICES = np.linspace(0, 119, N)
IDS = np.array([f'animals/{i:03} "{name}", it says' for i, name in enumerate(CLASSES)])
SIZE = (1100, 700)


def picture(**more):
    parts = {"columns": {"class": CLASSES, "price": PRICES}, "cells": CELLS, "shape": SHAPE, "ids": IDS}
    return Picture(POINTS, **({"title": "Animals", "quality": ("trustworthiness 0.9",)} | parts | more))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    photographs = np.repeat(DRAWINGS[..., None], 3, 3)
    made = {
        "dots": picture(),
        "drawings": picture(thumbnails=DRAWINGS),
        "photographs": picture(thumbnails=photographs),
        "bare": Picture(POINTS),
        "evil": picture(ids=["<img src=x onerror=alert(1)>"] * N, title="</script><script>alert(1)</script>"),
    }
    for name, one in made.items():
        page.save(folder / f"{name}.html", one)
    return folder


@pytest.fixture(scope="module")
def browser(files):
    if chromium.found() is None:
        pytest.skip(f"THE MAP PAGE IS NOT TESTED: no Chromium on the path ({', '.join(chromium.NAMES)})")
    with chromium.Chromium(size=SIZE) as one:
        one.offline()
        one.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(files))
        yield one


@pytest.fixture
def opened(browser, files):
    """Opens a page as nothing had happened, and says afterwards that nothing was asked of the network."""

    def do(name, mark=FLAT):
        browser.window(*SIZE)
        browser.prefers()
        browser.requests.clear()
        browser.problems.clear()
        browser.ask("Page.navigate", url="about:blank")
        browser.open(files / f"{name}.html", mark)
        browser.run(FRAME)
        return browser

    yield do
    assert browser.problems == []
    assert [url for url in browser.requests if not url.startswith(("file:", "about:", "blob:"))] == []


SET = "(() => {{ const e = document.{}; e.value = {}; e.dispatchEvent(new Event('{}')) }})()"
FRAME = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


def stage(browser):
    """Left, top, width and height of the map in the window."""
    box = browser.run(
        "(() => { const b = document.getElementById('stage').getBoundingClientRect(); return {...b.toJSON()} })()"
    )
    return box["left"], box["top"], box["width"], box["height"]


def on_map(browser):
    """(n, 2) where points have to be in the window when all of the map is shown, worked out from the points."""
    left, top, wide, tall = stage(browser)
    low, high = POINTS.min(0), POINTS.max(0)
    half = (high - low) / 2
    scale = 0.94 / 2 * min(wide / (half[0] / half.max()), tall / (half[1] / half.max())) / half.max()
    return np.array([left + wide / 2, top + tall / 2]) + (POINTS - (low + high) / 2) * [scale, -scale]


def on_grid(browser):
    """(n, 2) likewise of the grid: whole cells, row 0 at the bottom."""
    left, top, wide, tall = stage(browser)
    cell = 0.94 * min(wide / SHAPE[1], tall / SHAPE[0])
    offsets = np.stack([CELLS[:, 1] + 0.5 - SHAPE[1] / 2, SHAPE[0] / 2 - CELLS[:, 0] - 0.5], 1)
    return np.array([left + wide / 2, top + tall / 2]) + offsets * cell


def shown_at(browser):
    """(n, 2) where the page says that points are in the window."""
    left, top, _, _ = stage(browser)
    return np.array(browser.run(f"Array.from({{length: {N}}}, (_, row) => map.at(row))")) + np.array([left, top])


def to_grid(browser):
    browser.key("g")
    browser.until("!map.moving()")
    browser.run(FRAME)


def card(browser):
    """The name on the card, and its picture."""
    name = browser.run(
        "document.getElementById('card').hidden ? null : document.querySelector('#card .what').textContent"
    )
    data = browser.run("document.querySelector('#card canvas')?.toDataURL() ?? null")
    return name, None if data is None else np.asarray(Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))))


def hover(browser, place):
    browser.mouse("Moved", *place)
    browser.run(FRAME)
    return card(browser)


def lonely(places, most=20):
    """Rows of points with nothing near them, the loneliest first."""
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(len(places))
    return np.argsort(-apart.min(1))[:most]


@pytest.mark.parametrize("mark", [FLAT, GLASS])
def test_the_page_opens_from_disk_with_the_network_off(opened, mark):
    browser = opened("drawings", mark)
    assert browser.run("map.drawing()") == {FLAT: "Flat", GLASS: "Glass"}[mark]
    assert browser.run("document.title") == "Animals"
    assert "trustworthiness 0.9" in browser.run("document.getElementById('quality').textContent")
    assert browser.run("navigator.onLine") is False


def test_the_policy_stops_what_would_ask_the_network(opened):
    browser = opened("bare")
    assert "Failed to fetch" in browser.run("fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.message)")
    assert any("Content Security Policy" in problem for problem in browser.problems)
    browser.problems.clear()
    browser.requests.clear()


@pytest.mark.parametrize("mark", [FLAT, GLASS])
def test_points_are_drawn_where_they_are(opened, mark):
    browser = opened("dots", mark)
    browser.key("t")  # no names over them
    browser.run(FRAME)
    places = on_map(browser)
    np.testing.assert_allclose(shown_at(browser), places, atol=0.1)
    seen = screenshot(browser)
    for row in lonely(places):
        x, y = np.rint(places[row]).astype(int)
        wanted = rgb(colours.category(NAMES.index(CLASSES[row])))
        mixed = 0.9 * wanted + 0.1 * 255  # dots are nearly opaque
        assert np.abs(seen[y, x].astype(float) - mixed).max() < 12, (row, seen[y, x], mixed)


@pytest.mark.parametrize("mark", [FLAT, GLASS])
def test_the_morph_ends_on_the_grid_and_comes_back(opened, mark):
    browser = opened("dots", mark)
    browser.key("t")
    first = shown_at(browser)
    to_grid(browser)
    places = on_grid(browser)
    assert browser.run("map.state.morph") == 1
    np.testing.assert_allclose(shown_at(browser), places, atol=0.1)
    seen = screenshot(browser)
    for row in range(0, N, 7):
        x, y = np.rint(places[row]).astype(int)
        mixed = 0.9 * rgb(colours.category(NAMES.index(CLASSES[row]))) + 0.1 * 255
        assert np.abs(seen[y, x].astype(float) - mixed).max() < 12, row
    to_grid(browser)
    np.testing.assert_allclose(shown_at(browser), first, atol=0.1)


def test_a_morph_takes_its_time_unless_motion_is_not_wanted(opened):
    browser = opened("dots")
    browser.key("g")
    assert browser.run("map.moving()")
    browser.until("!map.moving()")
    browser.prefers(reduced_motion="reduce")
    browser.key("g")
    assert not browser.run("map.moving()")
    assert browser.run("map.state.morph") == 0


def test_a_morph_that_is_interrupted_still_ends(opened):
    browser = opened("dots")
    for key in ("g", "0"):
        browser.key(key)
    browser.until("!map.moving()")
    np.testing.assert_allclose(shown_at(browser), on_grid(browser), atol=0.1)
    browser.key("g")
    browser.mouse("Wheel", 400, 400, deltaX=0, deltaY=-10)
    browser.until("!map.moving()")
    assert browser.run("map.state.morph") == 0


def test_hovering_shows_the_thumbnail_of_that_point(opened):
    browser = opened("drawings")
    places = on_map(browser)
    for row in lonely(places):
        name, drawn = hover(browser, places[row])
        assert name == IDS[row]
        block = len(drawn) // SIDE
        middles = drawn[block // 2 :: block, block // 2 :: block, :3][:SIDE, :SIDE]
        np.testing.assert_array_equal(middles, np.repeat(255 - DRAWINGS[row][..., None], 3, 2))  # ink on paper
    to_grid(browser)
    for row in (0, 50, N - 1):
        assert hover(browser, on_grid(browser)[row])[0] == IDS[row]
    assert hover(browser, (5, 400))[0] is None


def test_hovering_shows_photographs_in_colour(opened):
    browser = opened("photographs")
    row = lonely(on_map(browser))[0]
    _, drawn = hover(browser, on_map(browser)[row])
    block = len(drawn) // SIDE
    middles = drawn[block // 2 :: block, block // 2 :: block, 0][:SIDE, :SIDE].astype(float)
    assert np.corrcoef(middles.ravel(), DRAWINGS[row].ravel().astype(float))[0, 1] > 0.8  # lossy


@pytest.mark.parametrize("how", ["key", "shift"])
def test_the_lasso_exports_the_rows_inside(opened, files, how):
    browser = opened("drawings")
    places, (left, top, wide, tall) = on_map(browser), stage(browser)
    corners = np.array([[0.3, 0.25], [0.7, 0.3], [0.75, 0.7], [0.5, 0.55], [0.28, 0.75]]) * [wide, tall] + [left, top]
    inside = np.flatnonzero(Polygon(corners).contains_points(places))
    assert 10 < len(inside) < N - 10
    if how == "key":
        browser.key("l")
    browser.drag([tuple(corner) for corner in corners], **({"modifiers": 8} if how == "shift" else {}))
    assert browser.run("map.chosen()") == inside.tolist()
    path = files / f"animals-{len(inside)}.csv"
    path.unlink(missing_ok=True)
    browser.run("document.getElementById('export').click()")
    table = list(csv.reader(io.StringIO(arrived(path).read_bytes().decode("utf-8-sig"))))
    assert table[0] == ["row", "id", "class", "price", "x", "y", "grid row", "grid column"]
    assert [int(line[0]) for line in table[1:]] == inside.tolist()
    for line, row in zip(table[1:], inside, strict=True):
        assert line[1:3] == [IDS[row], CLASSES[row]]
        assert [float(line[3]), *np.float32(line[4:6])] == [PRICES[row], *POINTS[row]]
        assert [int(value) for value in line[6:]] == CELLS[row].tolist()
    browser.key("Escape")
    assert browser.run("map.chosen()") == []


def test_the_legend_filters(opened):
    browser = opened("dots")
    press = "document.querySelectorAll('#legend li button')[{}].click()"
    browser.run(press.format(1))
    assert browser.run("map.shown()") == np.flatnonzero(CLASSES == "dog").tolist()
    browser.run(press.format(2))
    assert browser.run("map.shown()") == np.flatnonzero(CLASSES != "cat").tolist()
    assert browser.run("[...document.querySelectorAll('#legend li button')].map(b => b.ariaPressed)") == [
        "false",
        "true",
        "true",
    ]
    browser.run("document.querySelector('#legend .all').click()")
    assert browser.run("map.shown().length") == N


def test_a_number_colours_and_its_range_filters(opened):
    browser = opened("dots")
    browser.run(SET.format("getElementById('column')", 1, "change"))
    browser.run(SET.format("querySelectorAll('.range input')[0]", 250, "input"))
    browser.run(SET.format("querySelectorAll('.range input')[1]", 500, "input"))
    inside = np.flatnonzero((PRICES >= 29.75) & (PRICES <= 59.5))
    assert browser.run("map.shown()") == inside.tolist()
    browser.run(FRAME)
    places, seen = on_map(browser), screenshot(browser)
    stops = np.array([rgb(stop) for stop in colours.RAMP])
    for row in [row for row in lonely(places) if row in inside]:
        x, y = np.rint(places[row]).astype(int)
        at = PRICES[row] / PRICES.max() * (len(stops) - 1)
        wanted = stops[int(at)] + at % 1 * (stops[int(at) + 1] - stops[int(at)])
        assert np.abs(seen[y, x] - (0.9 * wanted + 25.5)).max() < 12, row


def test_search_finds_and_enter_goes_there(opened):
    browser = opened("dots")
    browser.key("/")
    browser.write("Animals/03 DOG")
    wanted = [row for row in range(N) if IDS[row].startswith("animals/03") and CLASSES[row] == "dog"]
    assert browser.run("map.shown()") == wanted
    assert browser.run("document.getElementById('found').textContent") == f"{len(wanted)} found"
    browser.key("Enter")
    browser.until("!map.moving()")
    left, top, wide, tall = stage(browser)
    places = shown_at(browser)[wanted]
    assert ((places > [left, top]) & (places < [left + wide, top + tall])).all()


def test_the_keyboard_reaches_every_point_and_says_which(opened):
    browser = opened("drawings")
    browser.key("n")
    browser.key("n")
    browser.key("p")
    browser.key("n")
    assert browser.run("map.rows[map.state.one]") == 1
    assert IDS[1] in browser.run("document.getElementById('told').textContent")
    near = browser.run("document.querySelectorAll('#one .strip button').length")
    assert near == 12
    browser.key("Escape")
    assert browser.run("document.getElementById('one').hidden")


def test_every_control_has_a_name(opened):
    browser = opened("drawings")
    browser.key("n")
    nameless = browser.run(
        "[...document.querySelectorAll('button, input, select, canvas:not([aria-hidden])')].filter(e => "
        "!(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)"
    )
    assert nameless == []


def test_wheel_drag_and_two_fingers_move_the_eye(opened):
    browser = opened("dots")
    left, top, wide, tall = stage(browser)
    at = (left + 0.3 * wide, top + 0.4 * tall)
    row = int(np.argmin(np.linalg.norm(shown_at(browser) - at, axis=1)))
    place = shown_at(browser)[row]
    browser.mouse("Wheel", *place, deltaX=0, deltaY=-300)
    np.testing.assert_allclose(shown_at(browser)[row], place, atol=0.5)  # stays under the pointer
    assert np.ptp(shown_at(browser), axis=0)[0] > 1.5 * np.ptp(on_map(browser), axis=0)[0]
    browser.drag([at, (at[0] + 50, at[1] + 10), (at[0] + 80, at[1] + 30)])
    np.testing.assert_allclose(shown_at(browser)[row], place + np.array([80, 30]), atol=0.5)
    apart = np.ptp(shown_at(browser), axis=0)
    fingers(browser, "touchStart", (400, 300), (500, 300))
    fingers(browser, "touchMove", (350, 300), (550, 300))
    fingers(browser, "touchEnd")
    np.testing.assert_allclose(np.ptp(shown_at(browser), axis=0), 2 * apart, rtol=0.02)


def test_dark_light_and_small_windows(opened):
    browser = opened("drawings")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert browser.run(ground) == "rgb(255, 255, 255)"
    browser.prefers(color_scheme="dark")
    browser.run(FRAME)
    assert browser.run(ground) == "rgb(20, 23, 26)"
    browser.run("document.getElementById('theme').click()")
    assert browser.run(ground) == "rgb(255, 255, 255)"
    browser.window(390, 760, density=3, mobile=True)
    browser.run(FRAME)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    left, top, wide, tall = stage(browser)
    assert tall > 220
    places = shown_at(browser)  # all of it is shown still
    assert ((places > [left, top]) & (places < [left + wide, top + tall])).all()
    assert browser.run("document.getElementById('points').width") == 3 * stage(browser)[2]


def test_both_ways_of_drawing_draw_the_same(opened):
    seen = []
    for mark in (FLAT, GLASS):
        browser = opened("drawings", mark)
        browser.key("t")
        to_grid(browser)
        left, top, wide, tall = (int(value) // 4 * 4 for value in stage(browser))
        cut = screenshot(browser)[top : top + tall, left : left + wide].astype(float)
        seen.append(cut.reshape(tall // 4, 4, wide // 4, 4, 3).mean((1, 3)))  # edges may differ by a pixel
    assert seen[0].std() > 20
    assert np.corrcoef(seen[0].ravel(), seen[1].ravel())[0, 1] > 0.97


@pytest.mark.parametrize("mark", [FLAT, GLASS])
def test_a_large_picture_is_saved(opened, files, mark):
    browser = opened("drawings", mark)
    path = files / "animals.png"
    path.unlink(missing_ok=True)
    browser.run("document.getElementById('picture').click()")
    large = np.asarray(Image.open(arrived(path)).convert("RGB"))
    _, _, wide, tall = stage(browser)
    assert large.shape == (round(4096 * tall / wide), 4096, 3)
    left, top, _, _ = stage(browser)
    row = lonely(on_map(browser))[0]
    x, y = np.rint((on_map(browser)[row] - [left, top]) * 4096 / wide).astype(int)
    assert (large[y - 40 : y + 40, x - 40 : x + 40] < 200).any()
    assert (large[0, 0] == 255).all()


def test_texts_of_the_user_stay_texts(opened):
    browser = opened("evil")
    browser.key("n")
    assert browser.run("document.querySelector('h1').textContent") == "</script><script>alert(1)</script>"
    assert browser.run("document.querySelector('#one .what').textContent") == "<img src=x onerror=alert(1)>"
    assert browser.run("document.querySelectorAll('img').length") == 0


def screenshot(browser):
    data = browser.ask("Page.captureScreenshot", format="png")["data"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=float)


def arrived(path):
    """The file, once it is whole."""
    end = time.monotonic() + 20
    while not path.exists() or path.stat().st_size == 0:
        assert time.monotonic() < end, (
            f"{path.name} was not downloaded; there are {[p.name for p in path.parent.iterdir()]}"
        )
        time.sleep(0.05)
    return path


def fingers(browser, kind, *places):
    points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
    browser.ask("Input.dispatchTouchEvent", type=kind, touchPoints=points)
