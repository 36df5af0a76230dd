"""How smoothly the map page draws 50,000 pictures, and how large its file is: in a headless Chromium, where there is no
graphics card and the processor draws. Needs MNIST and a Chromium."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from records import ROOT, save

from quickstudy import data
from quickstudy.maps import PCA, assign, page
from quickstudy.maps.picture import Picture

sys.path.insert(0, str(ROOT / "tests" / "tools"))
SIZE = (1280, 800)
SECONDS = 4
GOOD = 30.0  # frames a second, which look smooth
MOVES = {  # what the eye does at s seconds
    "zooming in": "map.eye(0.1, 0.1, Math.exp(s))",
    "panning": "map.eye(0.5 * Math.sin(s), 0.5 * Math.cos(s), 2)",
    "panning over thumbnails": "map.eye(0.1 * Math.sin(s), 0.1 * Math.cos(s), 12)",
}
WATCHED = """new Promise(done => {
  const begun = performance.now(), seen = [];
  const step = now => {
    const s = (now - begun) / 1000;
    seen.push(now);
    %s;
    s < %d ? requestAnimationFrame(step) : done(seen);
  };
  requestAnimationFrame(step);
})"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--points", type=int, default=50_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.html"
        written = write(path, given.points)
        load = os.getloadavg()[0]
        found = measured(path) | written | {"load_before": load}
    print(json.dumps(found, indent=2))
    save(given.out / "map-page.json", record(found, given.points), ("numpy", "pillow"))


def write(path: Path, points: int) -> dict[str, Any]:
    """The page of so many MNIST training digits with their thumbnails, by principal components, on a grid too."""
    pool = data.load("mnist").train
    images = pool.images[:: max(1, len(pool.images) // points)][:points]
    labels = np.array(pool.names)[pool.labels.numpy()[:: max(1, len(pool.images) // points)][:points]]
    plane = PCA().fit_transform(images.flatten(1).numpy() / np.float32(255))
    side = int(np.ceil(np.sqrt(len(plane))))
    cells = assign(plane, (side, side), method="tiled")
    picture = Picture(plane, {"digit": labels}, thumbnails=images[:, 0].numpy(), cells=cells, shape=(side, side))
    begun = time.perf_counter()
    page.save(path, picture)
    return {"points": len(plane), "file_mb": path.stat().st_size / 1e6, "seconds_to_write": time.perf_counter() - begun}


def measured(path: Path) -> dict[str, Any]:
    """Frames a second of each move and of the morph; the time from opening the file to the first picture."""
    from chromium import Chromium, found

    with Chromium(size=SIZE) as browser:
        begun = time.perf_counter()
        browser.open(path)
        out: dict[str, Any] = {"seconds_to_open": time.perf_counter() - begun, "window": SIZE}
        version = subprocess.run([found() or "", "--version"], capture_output=True, text=True).stdout.strip()
        out |= {"browser": version, "drawn_by": browser.run("map.drawing()")}
        for name, move in MOVES.items():
            out[name] = rates(browser.run(WATCHED % (move, SECONDS)))
        browser.run("map.eye(0, 0, 1)")
        browser.run("map.frames.length = 0")
        browser.key("g")
        browser.until("!map.moving()")
        out["morphing"] = rates(browser.run("map.frames"))
    return out


def rates(times: list[float]) -> dict[str, float]:
    """Frames a second, and the milliseconds of the slowest twentieth."""
    steps = np.diff(times)
    return {"frames_per_second": 1000 / float(steps.mean()), "p95_ms": float(np.percentile(steps, 95))}


def record(found: dict[str, Any], points: int) -> dict[str, Any]:
    """Ours against what looks smooth, by the slowest move."""
    moves = [*MOVES, "morphing"]
    slowest = min(moves, key=lambda move: found[move]["frames_per_second"])
    ours = found[slowest]["frames_per_second"]
    return {
        "work": f"map page of {points:,} pictures, {found['file_mb']:.1f} MB, {slowest}, without a graphics card",
        "unit": "frames/s",
        "peer": "what looks smooth",
        "ours": ours,
        "theirs": GOOD,
        "ratio": ours / GOOD,
        "rounds": 1,
        **found,
    }


if __name__ == "__main__":
    main()
