"""Writes docs/map.png: a map page, light, beside its grid, dark. ``python docs/map_picture.py digits.html``; needs a
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
SIZE = (820, 640)
COLOURS = 128


def main(name: str) -> None:
    from chromium import Chromium

    with Chromium(size=SIZE) as browser:
        browser.open(Path(name))
        light = shot(browser)
        browser.prefers(color_scheme="dark")
        browser.key("g")
        dark = shot(browser)
    both = Image.fromarray(np.concatenate([light, dark], axis=1))
    both.quantize(COLOURS, dither=Image.Dither.NONE).save(Path(__file__).with_name("map.png"), optimize=True)


def shot(browser) -> np.ndarray:
    """(height, width, 3) of what is shown once nothing moves."""
    browser.until("!map.moving()")
    browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    data = browser.ask("Page.captureScreenshot", format="png")["data"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


if __name__ == "__main__":
    main(sys.argv[1])
