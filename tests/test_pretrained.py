"""Trainings that begin with the net of another."""

import dataclasses
import json
import shutil
from dataclasses import replace

import pytest
import torch

from quickstudy import experiment
from quickstudy.data import Splits
from quickstudy.embedding import embedding
from quickstudy.experiment import Experiment
from quickstudy.files import FileProblem
from quickstudy.nets.norm import reading
from quickstudy.pretrained import begin
from quickstudy.recipes import mini_imagenet
from quickstudy.recipes.cells import Cell
from quickstudy.recipes.omniglot_instances import GrownCell
from quickstudy.recipes.pretrained import Pretrained
from quickstudy.storage import Run


@pytest.fixture
def splits(make_pool):
    pool = make_pool([17] * 12)
    return Splits(pool, pool, pool, "all")


@pytest.fixture
def finished(splits, tmp_path):
    """A function from a learner's name and options to a finished run of it, with its first weights."""

    def made(name, *, split="", **options):
        asked = Experiment(learner=name, options={"width": 4} | options, way=4)
        config = {"experiment": dataclasses.asdict(asked), "split_sha256": splits.sha256 + split}
        run = Run.create(tmp_path / name, config)
        weights = asked.build(splits).state_dict()
        run.finish({key: torch.rand_like(w) if w.is_floating_point() else w for key, w in weights.items()}, {})
        return run

    return made


def of(name, splits, **options):
    return Experiment(learner=name, options={"width": 4} | options, way=4).build(splits)


@pytest.mark.parametrize("source", ["classifier", "prototypes", "baseline_plus_plus", "matching", "anil"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("prototypes", {}),
        ("matching", {"finetune_steps": 2}),
        ("finetune", {}),
        ("maml", {"stride": False}),
        ("maml", {"stride": False, "normalization": "support"}),
        ("meta_sgd", {"stride": False}),
        ("siamese", {}),
    ],
)
def test_the_embedding_is_the_other_s_and_the_rest_is_its_own(source, name, options, splits, finished):
    run = finished(source, **({"stride": False} if source == "anil" else {}))
    learner, x = of(name, splits, **options), splits.test.images[:8].float() / 255
    before = {key: weight.clone() for key, weight in learner.named_parameters()}
    begin(learner, run, experiment.from_run(run).build(splits))
    theirs = embedding(experiment.trained(run, splits))
    with reading(embedding(learner), torch.ones(8, dtype=torch.bool)), reading(theirs, torch.ones(8, dtype=torch.bool)):
        assert torch.allclose(embedding(learner).train()(x), theirs.train()(x), atol=1e-6)
    seen = {id(weight) for weight in embedding(learner).parameters()}
    for key, weight in learner.named_parameters():
        assert torch.equal(weight, before[key]) != (id(weight) in seen), key


@pytest.mark.parametrize("name", ["snail", "meta_networks"])
def test_every_net_that_is_made_alike_gets_the_weights(name, splits, finished):
    run, learner = finished("classifier"), of(name, splits)
    begin(learner, run, experiment.from_run(run).build(splits))
    theirs = dict(embedding(experiment.trained(run, splits)).named_parameters())
    nets = {"snail": ["embed.0"], "meta_networks": ["base", "represent"]}[name]
    for net in nets:
        own = dict(learner.get_submodule(net).named_parameters())
        assert all(torch.equal(own[key], weight) for key, weight in theirs.items())


@pytest.mark.parametrize(
    ("name", "options"), [("mann", {"hidden": 5, "rows": 6, "width": 3, "heads": 2}), ("lstm", {"hidden": 5})]
)
def test_what_reads_sequences_gets_all_weights_whatever_the_classes_of_a_stream(
    name, options, splits, tmp_path, monkeypatch
):
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: splits)
    few = Experiment(learner=name, options=options | {"strings": True}, way=2, labels=3125, length=4, steps=1)
    few.run(tmp_path / "few")
    asked = replace(few, way=5, pretrained=str(tmp_path / "few"), rate=1e-9)
    learner, _ = asked.run(tmp_path / "many")
    theirs = Run.open(tmp_path / "few").weights()
    assert all(torch.allclose(weight, theirs[key], atol=1e-6) for key, weight in learner.state_dict().items())
    other = replace(asked, learner={"mann": "lstm", "lstm": "mann"}[name], options={"strings": True})
    fewer = replace(asked, options=options, labels=None)
    for wrong in (other, fewer):
        with pytest.raises(ValueError, match=r"no net like that of .*; what reads sequences, with as many labels and"):
            wrong.run(tmp_path / "new")


def test_another_net_is_refused_before_anything_is_made(splits, finished, tmp_path, monkeypatch):
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: splits)
    run = finished("classifier")
    for name, options, words in (
        ("prototypes", {"width": 8}, "this learner has no net like that of .*classifier; .* such as width and stride"),
        ("prototypes", {"width": 4, "normalization": "none"}, "has no net like that of"),
        ("maml", {"width": 4}, "has no net like that of"),
        ("mann", {}, "has no net like that of"),
    ):
        asked = Experiment(learner=name, options=options, way=4, pretrained=str(run.path), steps=1)
        with pytest.raises(ValueError, match=words):
            asked.run(tmp_path / "new")
    other = Experiment(options={"width": 4}, pretrained=str(tmp_path / "none"), way=4)
    with pytest.raises(FileProblem, match="none is not a run folder"):
        other.run(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_net_for_pictures_of_other_channels_is_refused(finished, make_pool):
    run, pool = finished("classifier"), make_pool([17] * 12, shape=(3, 16, 16))
    colour = Splits(pool, pool, pool, "all")
    with pytest.raises(ValueError, match="pictures with as many channels"):
        begin(of("prototypes", colour), run, experiment.from_run(run).build(colour))


def test_a_run_that_lacks_a_weight_has_another_net(splits, finished):
    run = finished("classifier")
    run.finish({key: weight for key, weight in run.weights().items() if ".blocks.3." not in key}, {})
    with pytest.raises(ValueError, match="no net like that of"):
        begin(of("prototypes", splits), run, experiment.from_run(run).build(splits))


def test_a_net_that_may_have_seen_test_classes_is_refused(splits, finished, tmp_path, monkeypatch):
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: splits)
    run = finished("classifier", split="other")
    asked = Experiment(options={"width": 4}, way=4, pretrained=str(run.path), steps=1)
    with pytest.raises(ValueError, match="another split of glyphs, whose training classes may be test classes"):
        asked.run(tmp_path / "new")
    asked = replace(asked, data="omniglot")  # other data, whose classes are others
    asked.run(tmp_path / "new")
    assert Run(tmp_path / "new").finished


def test_what_has_a_checkpoint_goes_on_without_the_run_it_began_with(splits, finished, tmp_path, monkeypatch):
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: splits)
    run = finished("classifier")
    asked = Experiment(options={"width": 4}, way=4, query=2, rate=1e-9, steps=2, pretrained=str(run.path))
    learner, _ = asked.run(tmp_path / "new")
    theirs = embedding(experiment.trained(run, splits))
    for one, two in zip(embedding(learner).parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-6)
    shutil.rmtree(run.path)
    again, _ = experiment.from_run(Run.open(tmp_path / "new")).run(tmp_path / "new")
    assert all(torch.equal(a, b) for a, b in zip(learner.parameters(), again.parameters(), strict=True))


def test_what_was_killed_before_its_first_checkpoint_begins_with_it_again(splits, finished, tmp_path, monkeypatch):
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: splits)
    asked = Experiment(options={"width": 4}, way=4, query=2, steps=2, pretrained=str(finished("classifier").path))
    learner, _ = asked.run(tmp_path / "new")
    for name in ("checkpoint.safetensors", "weights.safetensors", "metrics.json"):
        (tmp_path / "new" / name).unlink()
    again, _ = asked.run(tmp_path / "new")
    assert all(torch.equal(a, b) for a, b in zip(learner.parameters(), again.parameters(), strict=True))


def test_a_cell_trains_first_what_it_begins_with_and_shares_it(splits, tmp_path, monkeypatch):
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: splits)
    asked = Experiment(options={"width": 4}, way=4, query=2, precision="float32", steps=10)
    first = replace(asked, learner="classifier", precision="auto", steps=4)
    cell = Pretrained("table", "prototypes", "begun", 4, 1, asked, before=(first,))
    plain = Cell("table", "classifier", "", 4, 1, first)
    assert cell.stamp(0, 1.0) != Cell("table", "prototypes", "", 4, 1, asked).stamp(0, 1.0)
    assert cell.stamp(0, 1.0) != replace(cell, before=(replace(first, steps=5),)).stamp(0, 1.0)
    plain.measure(1, scale=0.5, tasks=3, runs=tmp_path, progress=False)
    both = cell.measure(1, scale=0.5, tasks=3, runs=tmp_path, progress=False)
    kept = {one["learner"]: (path, one) for path in _runs(tmp_path) for one in [_asked(path)]}
    assert {name: one["steps"] for name, (_, one) in kept.items()} == {"classifier": 2, "prototypes": 5}
    assert len(_runs(tmp_path)) == 2
    assert {one["seed"] for _, one in kept.values()} == {1}
    assert kept["prototypes"][1]["pretrained"] == str(kept["classifier"][0])
    assert (both.done.step, both.precision) == (5, "float32")
    assert both.done.seconds == pytest.approx(sum(Run(path).metrics["seconds"] for path, _ in kept.values()))


def test_each_training_begins_with_what_the_one_before_has_learned(splits, tmp_path, monkeypatch):
    monkeypatch.setattr("quickstudy.data.load", lambda *_, **__: splits)
    options = {"strings": True, "hidden": 5}
    few = Experiment(learner="lstm", options=options, way=2, labels=3125, length=4, steps=1)
    balanced, many = replace(few, letters=5), replace(few, way=4)
    one = GrownCell("table", "LSTM", "few", 2, few, before=(balanced,))
    two = GrownCell("table", "LSTM", "many", 2, many, before=(balanced, few))
    one.measure(0, scale=1.0, tasks=3, runs=tmp_path, progress=False)
    done = two.measure(0, scale=1.0, tasks=3, runs=tmp_path, progress=False).done
    kept = {(asked["way"], asked["letters"]): (path, asked) for path in _runs(tmp_path) for asked in [_asked(path)]}
    assert len(kept) == len(_runs(tmp_path)) == 3
    assert kept[2, 5][1]["pretrained"] is None
    assert kept[2, None][1]["pretrained"] == str(kept[2, 5][0])
    assert kept[4, None][1]["pretrained"] == str(kept[2, None][0])
    assert done.seconds == pytest.approx(sum(Run(path).metrics["seconds"] for path, _ in kept.values()))


def test_full_contexts_and_their_control_begin_with_the_very_trainings_of_the_rows_without_them():
    cells = {cell.name: cell for cell in mini_imagenet.CELLS}
    names = "no-fce", "fce", "no-fce-as-many-updates-as-with-it"
    for shot in (1, 5):
        plain, whole, control = (cells[f"matching-networks-{name}-5-way-{shot}-shot"] for name in names)
        assert whole.before == control.before == (plain.asked,)
        assert whole.asked.options == {"context": True}
        assert control.asked == replace(whole.asked, options={})


def _runs(path):
    """The folders of trainings; beside them are the scores."""
    return [config.parent for config in path.glob("*/*/config.json")]


def _asked(path):
    return json.loads((path / "config.json").read_text())["experiment"]
