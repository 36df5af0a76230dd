"""The other libraries, importable beside today's PyTorch. Nothing of theirs that is timed is changed."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import sys
import warnings
from types import ModuleType

import torch
from torch.utils.data import Sampler

VISION: list[torch.library.Library] = []  # kept: a library that is collected takes its schemas along


def easyfsl() -> ModuleType:
    """easyfsl 1.5.0. Its TaskSampler hands ``data_source`` on to PyTorch's Sampler, which no longer takes it."""
    _torchvision()
    Sampler.__init__ = lambda self, data_source=None: None  # type: ignore[method-assign]
    import easyfsl

    return easyfsl


def learn2learn() -> ModuleType:
    """learn2learn 0.2.0."""
    _torchvision()
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # gym says at length that it is unmaintained
        import learn2learn

    return learn2learn


def avalanche() -> ModuleType:
    """avalanche-lib 0.6.0, which imports torchvision everywhere."""
    _torchvision()
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        import avalanche

    return avalanche


def versions() -> dict[str, str]:
    """What is installed here; all are imported, so that a broken installation shows."""
    import higher
    import torchopt

    modules = easyfsl(), learn2learn(), higher, torchopt, avalanche()
    names = ("quickstudy", "torch", "torchvision", "avalanche-lib", *(module.__name__ for module in modules[:-1]))
    return {name: importlib.metadata.version(name) for name in names}


def _torchvision() -> None:
    """Both import it without using it. PyPI's build brings no operators for a CPU torch, and then names one."""
    try:
        import torchvision
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        VISION.append(torch.library.Library("torchvision", "DEF"))
        for name in ("nms", "qnms"):
            VISION[0].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401
