"""Writes docs/map.png: a map page, light, and the grid, dark. ``python docs/map_picture.py digits.html``; needs a
Chromium."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "tools"))
LIGHT, DARK = (1000, 700), (980, 840)  # windows, in pixels
COLOURS = 256


def main(name: str) -> None:
    from chromium import Chromium

    with Chromium(size=LIGHT) as browser:
        browser.open(Path(name), "#webgl")
        light = shot(browser)
        browser.prefers(color_scheme="dark")
        browser.window(*DARK)
        browser.key("g")
        shot(browser)
        browser.run("map.eye(0.05, 0.2, 2.4)")
        dark = shot(browser)
        box = browser.run("document.getElementById('stage').getBoundingClientRect().toJSON()")
    left, top, wide = int(box["left"]), int(box["top"]), int(box["width"])
    grid = dark[top : top + LIGHT[1], left : left + wide]
    both = Image.fromarray(np.concatenate([light[: len(grid)], grid], axis=1))
    both.quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE).save(Path(__file__).with_name("map.png"), optimize=True)


def shot(browser) -> np.ndarray:
    """(height, width, 3) of what is shown once nothing moves."""
    browser.until("!map.moving()")
    browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    data = browser.ask("Page.captureScreenshot", format="png")["data"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


if __name__ == "__main__":
    main(sys.argv[1])
