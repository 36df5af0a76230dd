from __future__ import annotations

import os
import platform
import subprocess
import sys

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


PAGES_OF_USED_MEMORY = """
import resource, torch
from quickstudy import devices
devices.prepare()
for round in range(30):  # the heap grows for some rounds, until the freed blocks fit
    a, b = torch.ones(2**24), torch.ones(2**23)  # 64 and 32 MiB
    del a, b
    if round == 19:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc keeps memory as it likes")
def test_memory_once_used_is_used_again_without_page_faults():
    ran = subprocess.run([sys.executable, "-c", PAGES_OF_USED_MEMORY], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 1000  # given back after every round, it would be 245,760


def test_an_unknown_precision_is_refused_by_name():
    with pytest.raises(ValueError, match="'float8'; choose one of float32, bfloat16"):
        devices.precision("float8", torch.device("cpu"))
