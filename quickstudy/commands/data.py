"""Showing and fetching data."""

from __future__ import annotations

from quickstudy import data
from quickstudy.data.originals import data_root

FOLDERS = {"mini_imagenet": "miniimagenet"}  # where a folder is not called as its data set


def listing() -> None:
    """``quickstudy data``: which data sets are on this machine."""
    print(f"originals in {data_root()} (set QUICKSTUDY_DATA to change)")
    for name in data.DATASETS:
        print(f"  {name:14} {_state(name)}")
    print("  folder:PATH    your own pictures: one folder for each class")


def show(name: str, split: str | None, size: int | None) -> None:
    """``quickstudy data NAME``: fetched, checked, counted."""
    pools = data.load(name, size=size, split=split)
    channels, height, width = pools.train.shape
    print(f"{name}, {pools.name} split, pictures of {channels} x {height} x {width}")
    for part, pool in zip(("train", "valid", "test"), pools[:3], strict=True):
        least, most = int(pool.sizes.min()), int(pool.sizes.max())
        each = f"{least}" if least == most else f"{least} to {most}"
        print(f"  {part:6} {len(pool):6,} classes  {len(pool.images):8,} pictures  {each} a class")
    print(f"  split SHA-256 {pools.sha256}")


def _state(name: str) -> str:
    if name == "glyphs":
        return "built in"
    folder = data_root() / FOLDERS.get(name, name)
    here = folder.is_dir() and any(folder.iterdir())
    return "here" if here else f"not here; quickstudy data {name} fetches it, or says how"
