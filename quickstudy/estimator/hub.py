"""Embeddings of timm, by name: ``timm:NAME`` of its own, ``hf:ORGANIZATION/NAME`` of one that Hugging Face hosts, or
``hf:FOLDER`` of one that lies on disk as it would there.

Weights come as safetensors, once, into the library's cache; code from a hub is never run. For other models of Hugging
Face, such as encoders of sentences, pass a module that wraps the model, or the vectors that it gives.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from quickstudy.estimator.inputs import Looks
from quickstudy.files import FileProblem

KINDS = ("timm", "hf")
INSTALL = "install it with: pip install 'quickstudy[hub]'"


class Hub(NamedTuple):
    """An embedding, what pictures look like to it, and how to make it again without its weights."""

    module: nn.Module
    looks: Looks
    config: dict[str, Any]


def load(name: str) -> Hub:
    """The pretrained embedding of that name, from the library's cache or downloaded once.

    Raises ValueError for a name that says no library, or a library that is not installed, and FileProblem where the
    weights cannot be had.
    """
    kind, _, model = name.partition(":")
    if kind not in KINDS or not model:
        raise ValueError(f"an embedding is timm:NAME, hf:ORGANIZATION/NAME or hf:FOLDER, or a module; got {name!r}")
    net = _pretrained(name, model if kind == "timm" else _hosted(model))
    about = net.pretrained_cfg
    channels, side, _ = about["input_size"]
    looks = Looks((channels, side, side), mean=tuple(about["mean"]), spread=tuple(about["std"]))
    return Hub(net, looks, {"architecture": about["architecture"]})


def module(config: dict[str, Any]) -> nn.Module:
    """The same embedding without its weights, which a model file has; needs no network."""
    return _net(config["architecture"], pretrained=False)


def _hosted(model: str) -> str:
    """As timm calls it."""
    return f"local-dir:{model}" if Path(model).is_dir() else f"hf-hub:{model}"


def _pretrained(name: str, model: str) -> Any:
    try:
        return _net(model, pretrained=True)
    except (ValueError, ImportError):
        raise
    except Exception as error:  # each library in between has errors of its own for a network that is not there
        raise FileProblem(
            f"the weights of {name} could not be had ({_first_line(error)}); they are downloaded once, so connect to "
            "the network this one time, or use hf:FOLDER with a folder that has config.json and model.safetensors"
        ) from error


def _net(model: str, *, pretrained: bool) -> Any:
    try:
        import timm
    except ImportError as error:
        raise ValueError(f"{model} needs the library timm, which is not installed; {INSTALL}") from error
    except RuntimeError as error:  # of torchvision, which timm imports
        raise ValueError(
            f"timm cannot be loaded ({_first_line(error)}); torchvision and torch are of different builds: install "
            "both from one index, for a CPU pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu"
        ) from error
    try:
        return timm.create_model(model, pretrained=pretrained, num_classes=0)
    except RuntimeError as error:
        if "Unknown model" in str(error) or "No pretrained weights" in str(error):
            raise ValueError(f"timm has no pretrained model {model!r}: {error}") from error
        raise


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:160]}"
