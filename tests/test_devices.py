from __future__ import annotations

import os

import pytest
import torch

from quickstudy import devices


def test_tiles_are_avoided_unless_somebody_chose(monkeypatch):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    devices.prepare()
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "AVX512_CORE_FP16"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "ALL")
    devices.prepare()
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "ALL"


def test_an_unknown_precision_is_refused_by_name():
    with pytest.raises(ValueError, match="'float8'; choose one of float32, bfloat16"):
        devices.precision("float8", torch.device("cpu"))
