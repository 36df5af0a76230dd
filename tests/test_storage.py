"""Run folders and tensor files: whole or absent, and damage is named."""

import errno
import json
import os
import warnings

import pytest
import torch

from quickstudy import files
from quickstudy.files import FileProblem
from quickstudy.storage import FORMAT, Run, load_tensors, read_json, save_tensors, write_json

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(True), "c": torch.randn(2, 3, 3, 3).to(torch.bfloat16)}


def test_tensors_come_back_bit_for_bit(tmp_path):
    path = tmp_path / "x.safetensors"
    tensors = TENSORS | {"d": torch.randn(4, 2, 3, 3).contiguous(memory_format=torch.channels_last)}
    save_tensors(path, tensors, {"step": 3, "name": "é\n"})
    back, meta = load_tensors(path)
    assert meta == {"step": 3, "name": "é\n"}
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[k], v) and back[k].dtype == v.dtype for k, v in tensors.items())


@pytest.mark.parametrize("where", [0, 5, 9, 40, 0.5, 0.9, -1])
def test_any_changed_byte_is_named(where, tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, TENSORS, {"step": 3})
    data = bytearray(path.read_bytes())
    place = int(where * len(data)) if isinstance(where, float) else where
    data[place] ^= 0x15
    path.write_bytes(data)
    with pytest.raises(FileProblem, match=r"x\.safetensors is damaged"):
        load_tensors(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_file_is_named(share, tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, TENSORS, {})
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(FileProblem, match=r"x\.safetensors is damaged"):
        load_tensors(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileProblem, match="no room on the disk"):
        write_json(path, {"new": 2})
    assert read_json(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_an_error_inside_leaves_nothing(tmp_path):
    def half():
        with files.atomic(tmp_path / "x") as part:
            part.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert not list(tmp_path.iterdir())


def test_nan_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})


def test_a_run_is_made_once(tmp_path):
    Run.create(tmp_path / "run", {"experiment": {}})
    assert Run.open(tmp_path / "run").config["format"] == FORMAT
    with pytest.raises(FileProblem, match="--resume"):
        Run.create(tmp_path / "run", {})


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileProblem, match="not a run folder"):
        Run.open(tmp_path)


def test_a_run_of_another_version_is_refused(tmp_path):
    Run.create(tmp_path / "run", {})
    path = tmp_path / "run" / "config.json"
    path.write_text(json.dumps(read_json(path) | {"format": FORMAT + 1, "quickstudy": "9.9"}))
    with pytest.raises(FileProblem, match=r"quickstudy 9\.9 in run format 2"):
        Run.open(tmp_path / "run")


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00"])
def test_a_damaged_config_is_named(text, tmp_path):
    Run.create(tmp_path / "run", {})
    (tmp_path / "run" / "config.json").write_text(text)
    with pytest.raises(FileProblem, match=r"config\.json"):
        Run.open(tmp_path / "run")


def test_what_a_file_lacks_is_named(tmp_path):
    run = Run.create(tmp_path, {"experiment": {}})
    assert run.config.get("lifelong") is None
    with pytest.raises(FileProblem, match=r"config\.json is damaged: it has no 'split_sha256'; restore it"):
        run.config["split_sha256"]


def test_weights_of_an_unfinished_run_are_asked_for_in_vain(tmp_path):
    with pytest.raises(FileProblem, match="--resume"):
        Run.create(tmp_path / "run", {}).weights()


@pytest.mark.parametrize(("threads", "ended", "warned"), [(1, False, 0), (2, False, 1), (2, True, 0)])
def test_going_on_with_other_threads_is_told(threads, ended, warned, tmp_path, monkeypatch):
    run = Run(tmp_path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    run.save_checkpoint(TENSORS, {"step": 3})
    if ended:
        run.finish(TENSORS, {})
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert run.load_checkpoint()[1] == {"step": 3}
    assert len(told) == warned
    assert all("threads 1 and goes on under" in str(one.message) and "threads 2:" in str(one.message) for one in told)


def test_a_checkpoint_of_before_threads_were_noted_goes_on_untold(tmp_path, recwarn):
    save_tensors(tmp_path / "checkpoint.safetensors", TENSORS, {"step": 3})
    assert Run(tmp_path).load_checkpoint()[1] == {"step": 3}
    assert not recwarn
