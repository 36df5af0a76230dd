"""A taught classifier as one graph, from pictures to probabilities: ``torch.export`` and ONNX.

The graph reads (n, channels, size, size) float32 from 0 to 1, upright and square, of any polarity for ink learners; or
(n, features) vectors. It does what the estimator does after files are decoded: polarity, contrast, standardization, the
embedding, the answer, the temperature.
"""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy import __version__
from quickstudy.estimator import confidence
from quickstudy.estimator.inputs import Looks, finished
from quickstudy.estimator.taught import Taught
from quickstudy.files import atomic

INPUT, OUTPUT = "x", "probabilities"
INSTALL = "install it with: pip install 'quickstudy[export]'"


class Answer(nn.Module):
    """(n, *shape) to (n, way) probabilities, in the order in which the classes were taught."""

    def __init__(self, taught: Taught) -> None:
        super().__init__()
        if taught.state is None:
            raise ValueError("this learner was not taught anything yet; fit it first")
        self.looks: Looks = taught.recipe.looks
        self.state = taught.state
        self.embed, self.reader = copy.deepcopy((taught.embed, taught.reader))
        self.requires_grad_(False)
        self.temperature = taught.measured.temperature

    def forward(self, x: Tensor) -> Tensor:
        x = finished(x, self.looks) if self.looks.pictures else x
        z = self.embed(x).to(confidence.precision(self.reader))
        logits = self.reader.predict(self.state, z)
        return confidence.probabilities(logits, self.temperature).float()


def program(taught: Taught) -> torch.export.ExportedProgram:
    """The graph, for any number of inputs at a time."""
    answer = Answer(taught).eval()
    example = torch.rand(3, *taught.recipe.looks.shape)
    return torch.export.export(answer, (example,), dynamic_shapes={INPUT: {0: torch.export.Dim("n")}})


def save(taught: Taught, path: Path) -> None:
    """Writes ``path``: ONNX for ``.onnx``, the file of ``torch.export`` for ``.pt2``, atomically.

    Raises ValueError for another ending, or where the library for ONNX is not installed.
    """
    if path.suffix not in WRITERS:
        raise ValueError(f"what is exported ends in .onnx or .pt2, got {path.name!r}")
    with torch.no_grad(), warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporters' own, about themselves
        WRITERS[path.suffix](taught, path)


def _save_torch(taught: Taught, path: Path) -> None:
    about = {"quickstudy.json": json.dumps(_about(taught), ensure_ascii=False)}
    with atomic(path) as part:
        whole = part.with_suffix(".pt2")  # torch.export insists on the ending
        torch.export.save(program(taught), whole, extra_files=about)
        whole.replace(part)


def _save_onnx(taught: Taught, path: Path) -> None:
    try:
        import onnxscript  # noqa: F401  # what torch's exporter is built on
    except ImportError as error:
        raise ValueError(f"ONNX needs the libraries onnx and onnxscript, which are not installed; {INSTALL}") from error
    made = torch.onnx.export(program(taught), dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False)
    assert made is not None
    made.model.metadata_props["quickstudy"] = json.dumps(_about(taught), ensure_ascii=False)
    with atomic(path) as part:
        made.save(part, external_data=False)


def _about(taught: Taught) -> dict[str, Any]:
    """What goes with the graph: the classes in the order of its answers, and what it reads."""
    return {
        "classes": taught.names,
        "reads": list(taught.recipe.looks.shape),
        "learner": taught.recipe.learner,
        "quickstudy": __version__,
    }


WRITERS: dict[str, Callable[[Taught, Path], None]] = {".onnx": _save_onnx, ".pt2": _save_torch}
