"""Several processes train as one. Run as a script, this file is one process of a group and says what it found."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from quickstudy import parallel
from quickstudy.arguments import training
from quickstudy.data.pool import build
from quickstudy.learners import classifier, matching, prototypes, siamese
from quickstudy.outer import Unroll
from quickstudy.storage import Run, load_tensors, save_tensors
from quickstudy.tasks import batches, episodes
from quickstudy.train import pace, train

ROOT = Path(__file__).parents[1]
SHAPE = (1, 16, 16)
MAKE = {
    "prototypes": lambda: prototypes(SHAPE, width=4),
    "matching": lambda: matching(SHAPE, width=4, context=True, steps=2),
    "siamese": lambda: siamese(SHAPE, width=4),
    "classifier": lambda: classifier(SHAPE, classes=12, width=4),
}
UNEVEN = {"steps": 6, "batch": 3, "validations": 3, "seed": 3}  # the first process has two tasks, the second one
BEREFT = 3  # the exit status of a process that has lost another
MORTAL = {"steps": 40, "batch": 3, "seed": 5}


class Observed:
    """Tasks that note which of them are read, and with which seed; ``last``: a step that process 1 does not survive."""

    def __init__(self, tasks, last=None):
        self.tasks, self.last, self.way = tasks, last, tasks.way
        self.seeds, self.read = [], []

    def batch(self, indices):
        if parallel.rank() == 1 and self.last is not None and indices[0] >= self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.seeds.append(torch.initial_seed())
        self.read.append(list(indices))
        return self.tasks.batch(indices)


class Carrying(Unroll):
    def init(self, module):
        return (torch.zeros(2),)


@contextlib.contextmanager
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def tasks_for(name):
    chance = torch.Generator().manual_seed(0)
    images = (torch.rand(12, 10, *SHAPE, generator=chance) * 255).to(torch.uint8)
    pool = build({f"c{i:02}": images[i] for i in range(12)})
    return batches(pool, 20) if name == "classifier" else episodes(pool, 4, 1, 3)


def made(name):
    """Other weights in every process: training has to begin with the first one's."""
    torch.manual_seed(7 + parallel.rank())
    return MAKE[name]()


def score(learner):
    """Falls, so that the first validation's weights are kept; the processes disagree unless the first decides."""
    score.calls += 1
    return -score.calls * (-1.0) ** parallel.rank()


def trained(name):
    score.calls = 0
    learner = made(name)
    done = train(learner, tasks_for(name), validate=score, **UNEVEN)
    return learner.state_dict(), [[point["loss"], point.get("score", 0.0)] for point in done.curve]


class Kept(Run):
    """A run that only the first process may write."""

    def save_checkpoint(self, tensors, meta):
        assert parallel.main()
        super().save_checkpoint(tensors, meta)

    def finish(self, weights, metrics):
        assert parallel.main()
        time.sleep(0.2)
        super().finish(weights, metrics)


def mortal(folder, last=None):
    learner, run = made("prototypes"), Kept(folder)
    train(learner, Observed(tasks_for("prototypes"), last), run=run, **MORTAL)
    assert run.finished
    return learner.state_dict()


def turn(path):
    """What a process finds that goes through the block in its turn."""
    with parallel.main_first():
        found = path.exists()
        time.sleep(0.2)
        path.touch()
    return found


def show(folder):
    """What a process of a group finds, the run of a killed group among it."""
    found, rank = {}, parallel.rank()
    mortal(folder / "whole")
    mortal(folder / "killed")
    for name in MAKE:
        weights, found[name] = trained(name)
        save_tensors(folder / f"{name}-{rank}", weights, {})
    tasks = Observed(tasks_for("prototypes"))
    train(made("prototypes"), tasks, steps=2, batch=5)
    found |= {"seeds": tasks.seeds, "read": tasks.read}
    paced = Observed(tasks_for("prototypes"))
    pace(made("prototypes"), paced, batch=2, precision="float32", seconds=0.1 + rank)
    found["paced"] = len(paced.read)
    for problem, options in {"small": {"batch": 1}, "carrying": {"batch": 2, "estimator": Carrying()}}.items():
        try:
            train(made("prototypes"), tasks_for("prototypes"), steps=2, **options)
        except ValueError as error:
            found[problem] = str(error)
    found["turn"] = turn(folder / "touched")
    (folder / f"found-{rank}.json").write_text(json.dumps(found))


def main(what, folder):
    torch.set_num_threads(1)
    with parallel.group(), double():
        if what == "show":
            return show(folder)
        try:
            mortal(folder / "killed", last=60)
        except ConnectionError as error:
            os._exit(BEREFT if "--resume" in str(error) else 1)  # PyTorch may abort taking down what the other held


def launch(what, folder):
    """The exit statuses of two processes that run ``main``, without torchrun, which has to be started itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, what, str(folder)]
    group = [subprocess.Popen(command, env={**os.environ, **shared, "RANK": str(rank)}) for rank in range(2)]
    try:
        return [process.wait(timeout=100) for process in group]
    finally:
        for process in group:
            process.kill()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The folder of a group's findings, and what each of its processes found; before that, a group was killed."""
    folder = tmp_path_factory.mktemp("both")
    assert launch("kill", folder) == [BEREFT, -signal.SIGKILL]
    shutil.copytree(folder / "killed", folder / "alone")
    assert launch("show", folder) == [0, 0]
    return folder, [json.loads((folder / f"found-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("name", MAKE)
def test_two_processes_train_as_one(name, both):
    folder, found = both
    with double():
        weights, curve = trained(name)
    first, second = (load_tensors(folder / f"{name}-{rank}")[0] for rank in range(2))
    for key, value in weights.items():
        assert torch.equal(first[key], second[key]), key
        torch.testing.assert_close(first[key], value, rtol=1e-6, atol=1e-9)
    assert found[0][name] == found[1][name]
    np.testing.assert_allclose(found[0][name], curve, rtol=1e-6)


def test_every_task_is_read_once(both):
    first, second = (each["read"] for each in both[1])
    assert first == [[0, 2, 4], [5, 7, 9]]
    assert second == [[1, 3], [6, 8]]


def test_every_process_and_step_draws_its_own(both):
    seeds = [seed for each in both[1] for seed in each["seeds"]]
    assert len(set(seeds)) == len(seeds) == 4
    assert both[1][0]["seeds"] == [0, 1]  # as alone


def test_the_first_clock_decides(both):
    first, second = (each["paced"] for each in both[1])
    assert first == second > 3


def test_the_first_goes_first(both):
    assert [each["turn"] for each in both[1]] == [False, True]


def test_what_cannot_be_shared_is_refused(both):
    for each in both[1]:
        assert "a step of 1 tasks cannot be shared by 2 processes" in each["small"]
        assert "Carrying carries a state" in each["carrying"]


def test_a_killed_process_leaves_a_run_to_go_on_with(both):
    folder = both[0]
    assert 0 < Run(folder / "alone").load_checkpoint()[1]["step"] <= 20
    whole, resumed = Run(folder / "whole").weights(), Run(folder / "killed").weights()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    with double():
        alone = mortal(folder / "alone")
    for name in whole:
        torch.testing.assert_close(whole[name], alone[name], rtol=1e-6, atol=1e-9)


def test_alone_everything_stays_as_it_is(tmp_path):
    part, module = torch.ones(3), torch.nn.Linear(1, 1)
    assert parallel.average([part], 4)[0] is part
    assert (parallel.size(), parallel.rank(), parallel.main()) == (1, 0, True)
    assert parallel.shard(range(3, 7)) == range(3, 7)
    assert parallel.agreed(0.1) == 0.1
    parallel.spread(module)
    with parallel.group(), parallel.main_first():
        parallel.wait()


def test_every_process_needs_a_gpu_where_there_are_some(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(ValueError, match=r"process 2 .* there are 1"), parallel.group():
        pass


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of 15 class folders with 4 noisy pictures each."""
    root, chance = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for c in range(15):
        (root / f"c{c:02}").mkdir()
        for i in range(4):
            pixels = chance.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"c{c:02}" / f"{i}.png")
    return root


def asked(pictures, out, batch):
    """By the cosine: shifting every embedding leaves distances as they are, so the last bias is moved by rounding."""
    options = {"options": ("width=4", "metric=cosine"), "precision": "float32", "out": out}
    return {"data": f"folder:{pictures}", "size": 16, "way": 3, "query": 2, "batch": batch, "steps": 8, **options}


def torchrun(pictures, out, batch):
    given = [
        word
        for name, value in asked(pictures, out, batch).items()
        for word in (f"--{name}", *(value if isinstance(value, tuple) else (str(value),)))
    ]
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [sys.executable, *several, "-m", "quickstudy", "train", "prototypes", *given],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_torchrun_writes_the_run_of_one_process(pictures, tmp_path):
    training.train("prototypes", **asked(pictures, tmp_path / "one", 4))
    done = torchrun(pictures, tmp_path / "two", 4)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("on validation classes") == 1
    one, two = Run(tmp_path / "one"), Run(tmp_path / "two")
    assert one.config == two.config
    assert sorted(p.name for p in one.path.iterdir()) == sorted(p.name for p in two.path.iterdir())
    for name, value in one.weights().items():
        torch.testing.assert_close(two.weights()[name], value, rtol=1e-5, atol=1e-6)


def test_a_batch_smaller_than_the_group_is_one_clear_line(pictures, tmp_path):
    done = torchrun(pictures, tmp_path / "run", 1)
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("quickstudy: ")]
    assert len(said) == 1
    assert "a step of 1 tasks cannot be shared by 2 processes" in said[0]
    assert "raise --batch" in said[0]
    assert not (tmp_path / "run").exists()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
