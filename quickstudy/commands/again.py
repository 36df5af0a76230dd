"""How a page is made again."""

from __future__ import annotations

import shlex
import sys

from quickstudy.experiment import versions


def facts() -> dict[str, str]:
    """The command that is running, and by which versions: for the setting of a page."""
    return {
        "command": shlex.join(["quickstudy", *sys.argv[1:]]),
        "versions": ", ".join(f"{name} {version}" for name, version in versions()["versions"].items()),
    }
