"""Run folders: what a training was asked, where it stands, what it reached. No pickle; every file whole or absent.

``config.json`` what was asked; ``checkpoint.safetensors`` everything needed to go on; ``weights.safetensors`` the best
weights; ``metrics.json`` the learning curve.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from quickstudy import __version__
from quickstudy.files import FileProblem, atomic, write

FORMAT = 1  # of run folders; raised when an older reader would misread a newer folder
SUMS = "sums"  # in a checkpoint


class Run:
    """A folder that holds one training."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: Path | str, config: Mapping[str, Any]) -> Run:
        """A new run. Raises FileProblem where the folder holds one already."""
        run = cls(path)
        if (run.path / "config.json").exists():
            raise FileProblem(f"{path} holds a run already; resume it (--resume {path}) or choose another folder")
        write_json(run.path / "config.json", {"format": FORMAT, "quickstudy": __version__, **config})
        return run

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """A run that is there. Raises FileProblem for none, a damaged one, or one of a newer version."""
        run = cls(path)
        if not (run.path / "config.json").is_file():
            raise FileProblem(f"{path} is not a run folder: it has no config.json; quickstudy train makes one")
        found = run.config.get("format")
        if found != FORMAT:
            raise FileProblem(
                f"{path} was written by quickstudy {run.config.get('quickstudy')} in run format {found}; this is "
                f"quickstudy {__version__}, which reads format {FORMAT}: use the version that wrote it, or train anew"
            )
        return run

    @property
    def config(self) -> dict[str, Any]:
        return read_json(self.path / "config.json")

    @property
    def metrics(self) -> dict[str, Any]:
        return read_json(self.path / "metrics.json")

    @property
    def finished(self) -> bool:
        return (self.path / "metrics.json").exists() and (self.path / "weights.safetensors").exists()

    @property
    def _checkpoint(self) -> Path:
        return self.path / "checkpoint.safetensors"

    @property
    def begun(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self._checkpoint.exists()

    def save_checkpoint(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        save_tensors(self._checkpoint, tensors, {**meta, SUMS: sums()})

    def load_checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What was saved last, or None before the first time. Warns where a run that has not ended would go on with
        other last bits."""
        if not self.begun:
            return None
        tensors, meta = load_tensors(self._checkpoint)
        before, now = meta.pop(SUMS, sums()), sums()
        if before != now and not self.finished:
            warnings.warn(
                f"{self.path} was saved under {_listed(before)} and goes on under {_listed(now)}: PyTorch adds in "
                "another order there, so the result will differ, in the last digits at first, from that of a run which "
                "was never stopped",
                stacklevel=2,
            )
        return tensors, meta

    def finish(self, weights: Mapping[str, Tensor], metrics: Mapping[str, Any]) -> None:
        """The best weights and the learning curve; the checkpoint stays, so that finishing twice is the same."""
        save_tensors(self.path / "weights.safetensors", weights, {})
        write_json(self.path / "metrics.json", metrics)

    def weights(self) -> dict[str, Tensor]:
        """The best weights. Raises FileProblem where the run has not ended."""
        path = self.path / "weights.safetensors"
        if not path.exists():
            raise FileProblem(f"{self.path} has no weights yet; finish it with: quickstudy train --resume {self.path}")
        return load_tensors(path)[0]


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Named tensors and JSON in one safetensors file, atomically, with digests of both."""
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    told = {"sha256": digest(flat), "meta_sha256": _sha256(meta), "meta": meta}
    header = {"quickstudy": json.dumps(told)}  # one key: several have no fixed order
    with atomic(path) as part:
        try:
            save_file(flat, part, metadata=header)
        except SafetensorError as error:  # it wraps the system's errors, a full disk among them
            if "No space left" in str(error) or "os error 28" in str(error):
                raise FileProblem(
                    f"no room on the disk to write {path}; make room and run the same command again"
                ) from error
            raise


def load_tensors(path: Path, cure: str = "train anew") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What ``save_tensors`` wrote. Raises FileProblem, naming the file and the cure, where it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["quickstudy"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header.keys() - {"sha256", "meta_sha256", "meta"} or header["sha256"] != digest(tensors):
            raise KeyError("sha256")
        meta = header["meta"]
        if header.get("meta_sha256", _sha256(meta)) != _sha256(meta):  # of earlier versions, it is not there
            raise KeyError("meta_sha256")
        return tensors, meta
    except (SafetensorError, KeyError, ValueError, OSError, AttributeError) as error:
        raise FileProblem(f"{path} is damaged or incomplete ({error}); restore it from a copy, or {cure}") from error


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file atomically; nan is refused, since JSON has none."""
    write(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


class _Object(dict[str, Any]):
    """What a JSON file holds; what it lacks is the file's problem."""

    def __init__(self, path: Path, held: Mapping[str, Any]) -> None:
        super().__init__(held)
        self.path = path

    def __missing__(self, key: str) -> Any:
        raise FileProblem(f"{self.path} is damaged: it has no {key!r}; restore it from a copy, or train anew")


def read_json(path: Path) -> dict[str, Any]:
    """Raises FileProblem, naming the file, where it is missing or damaged, and later where a key that is asked for is
    not in it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileProblem(f"{path} is missing or damaged ({error}); restore it from a copy, or train anew") from error
    if not isinstance(value, dict):
        raise FileProblem(f"{path} is damaged: a JSON object was expected; restore it from a copy, or train anew")
    return _Object(path, value)


def _sha256(meta: Any) -> str:
    return hashlib.sha256(json.dumps(meta).encode()).hexdigest()


def sums() -> dict[str, Any]:
    """What the order of sums depends on, on one machine."""
    return {"PyTorch": torch.__version__, "threads": torch.get_num_threads()}


def _listed(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).cpu().numpy().tobytes())
    return total.hexdigest()
