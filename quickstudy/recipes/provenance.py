"""Where a figure comes from: the code that ran, and what it ran on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

import torch


def commit() -> str:
    """The commit of the code that runs, with -dirty where it was changed since; "unknown" outside a checkout."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        return f"{name}-dirty" if _git("status", "--porcelain", "--", "quickstudy") else name
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    root = Path(__file__).parents[2]
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def hardware() -> str:
    """The cores and the processor; the GPU where torch uses one."""
    cpu = f"{os.cpu_count()} cores of {_processor()}"
    return f"{torch.cuda.get_device_name()}, {cpu}" if torch.cuda.is_available() else cpu


def _processor() -> str:
    """Where they are told, with family and model: "AMD EPYC" alone is many generations."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    facts = dict(re.findall(r"^(model name|cpu family|model)\s*:\s*(.+)", text, re.M))
    name = facts.get("model name") or platform.processor() or platform.machine()
    return f"{name} (family {facts['cpu family']} model {facts['model']})" if len(facts) == 3 else name
