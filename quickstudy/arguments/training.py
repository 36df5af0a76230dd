"""Commands that learn over many tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from quickstudy.arguments.usual import Data, Options

Precision = Literal["auto", "float32", "bfloat16"]
EstimatorName = Literal["unroll", "first_order", "reptile", "implicit"]


def demo(out: Path = Path("runs/demo"), minutes: float = 1.5, tasks: int = 300) -> None:
    """Learn to recognise letters of scripts never seen before, from one example each, and write a page about it.

    No download: the characters are drawn from fonts. Takes a few minutes on a laptop.

    Example: quickstudy demo --minutes 5

    Args:
        out: folder for the run and its page.
        minutes: time for meta-training.
        tasks: test tasks of 20 characters each.
    """
    from quickstudy.commands.demo import run

    run(out, minutes, tasks)


def data(
    name: Annotated[Positional[str], arg(metavar="[NAME]")] = "", split: str | None = None, size: int | None = None
) -> None:
    """Show which data sets are here, or fetch and check one of them.

    Examples: quickstudy data   |   quickstudy data omniglot   |   quickstudy data folder:my-pictures

    Args:
        name: a data set; all of them are listed if none is named.
        split: omniglot knows "random" and "lake".
        size: side of the pictures in pixels.
    """
    from quickstudy.commands.data import listing, show

    show(name, split, size) if name else listing()


def train(
    learner: Annotated[Positional[str], arg(metavar="[LEARNER]")] = "",
    data: Data = "glyphs",
    split: str | None = None,
    size: int | None = None,
    way: int = 30,
    shot: int = 1,
    query: int = 5,
    length: int | None = None,
    labels: int | None = None,
    letters: int | None = None,
    batch: int = 1,
    steps: int | None = None,
    minutes: float | None = None,
    rate: float = 1e-3,
    estimator: EstimatorName = "unroll",
    optimizer: Literal["adam", "adam-constant", "sgd"] = "adam",
    precision: Precision = "auto",
    seed: int = 0,
    options: Options = (),
    pretrained: Path | None = None,
    out: Path | None = None,
    resume: Path | None = None,
) -> None:
    """Meta-train a learner into a run folder; a run that was killed goes on with --resume, to the same weights.

    Examples: quickstudy train prototypes --data omniglot --way 60 --minutes 10
              quickstudy train matching --shot 5 --options context=true
              quickstudy train --resume runs/prototypes-omniglot-60way-1shot-seed0
              quickstudy train maml --way 5 --batch 16 --estimator first_order
              quickstudy train mann --data omniglot --size 20 --way 5 --batch 16
              quickstudy train mann --size 20 --way 5 --labels 3125 --letters 5 --options strings=true
              quickstudy train prototypes --pretrained runs/classifier-glyphs-30way-1shot-seed0
              torchrun --nproc-per-node 2 -m quickstudy train prototypes --batch 4

    Args:
        learner: prototypes, matching, siamese, classifier, maml, ...; without a name, all are listed;
            learned-optimizer has arguments of its own: quickstudy train learned-optimizer --help.
        split: omniglot knows "random" and "lake".
        size: side of the pictures in pixels.
        way: classes of a training episode.
        shot: examples of each class to learn from.
        query: examples of each class to answer for.
        length: steps of a stream, for learners that read sequences (lstm, mann); ten times way unless given.
        labels: names that the classes of a stream are drawn from; as many as classes unless given, 3125 for strings.
        letters: of such strings; training streams then have each at each place in as many classes, so that counting
            them tells nothing and is not learned first.
        batch: episodes a step, which the processes of torchrun share.
        steps: length of the training (2,000 unless --minutes is given).
        minutes: length of the training as time; turned into steps once, at the start.
        rate: the first learning rate, which falls to 0.
        estimator: how the loss becomes gradients of what is learned over many tasks: exact, without second
            derivatives, from the adapted weights alone, or from the minimum that adapting ends in.
        optimizer: adam, whose rate falls along a half cosine, adam-constant, or sgd, whose rate falls linearly.
        precision: of convolutions and matrix products; auto is bfloat16 where that is faster (GPUs, processors
            of AMD with bfloat16 products).
        seed: of the first weights and of the episodes.
        pretrained: the folder of a run, of this learner or another, with whose net the training begins.
        out: the run folder; named after the arguments unless given.
        resume: a run folder to go on with; all other arguments come from it.
    """
    from quickstudy.commands.train import go_on, start
    from quickstudy.parallel import group

    asked = (learner, data, split, size, way, shot, query, length, labels, letters, batch, steps, minutes, rate)
    rest = (estimator, optimizer, precision, seed, options, pretrained, out)
    with group():
        if resume is not None:
            go_on(resume)
        else:
            start(*asked, *rest)


def train_optimizer(
    rule: Literal["lstm", "rnnprop", "mlp"] = "rnnprop",
    problem: str = "mnist",
    scaled: float = 0.0,
    horizons: tuple[int, ...] = (100,),
    each: int = 1,
    segment: int = 20,
    logarithm: bool = False,
    estimator: Literal["truncated", "evolution"] = "truncated",
    sample: int | None = 1500,
    spread: float = 0.01,
    batch: int = 1,
    steps: int = 1000,
    rate: float = 3e-3,
    clip: float | None = None,
    validations: int = 10,
    examined: int = 8,
    seed: int = 0,
    options: Options = (),
    out: Path | None = None,
    resume: Path | None = None,
) -> None:
    """Learn an optimizer along descents on loss functions; quickstudy.optim.LearnedOptimizer then uses the run.

    Examples: quickstudy train learned-optimizer --rule lstm --problem quadratics --batch 128
              quickstudy train learned-optimizer --rule rnnprop --problem mnist --scaled 1
              quickstudy train learned-optimizer --rule lstm --options p=5 detached=false --clip 1
              quickstudy train learned-optimizer --estimator evolution --horizons 100 200 500 --each 50
              quickstudy train learned-optimizer --resume runs/rnnprop-mnist-seed0

    Args:
        rule: the LSTM of Andrychowicz et al., RNNProp, which reads gradients in units of their size, or a small MLP.
        problem: quadratics, quadratics-uniform, mnist, mnist-40-units, mnist-2-layers, mnist-relu, fashion-mnist,
            mini-imagenet-10, mini-imagenet-5, mini-imagenet-2, cifar10, cifar10-5, cifar10-2.
        scaled: spread of the logarithms of random scales of coordinates; 0 for none.
        horizons: steps of a descent; several are a curriculum.
        each: descents of a horizon before the next.
        segment: steps that a gradient of the optimizer is taken through.
        logarithm: make the logarithm of the losses small, so that the end of a descent counts like its start.
        estimator: truncated backpropagation, or persistent evolution strategies.
        sample: coordinates of a network that are gone back through, drawn anew each segment; all where the rule is
            not detached.
        spread: deviation of the perturbations of evolution.
        batch: problems at a time.
        steps: segments.
        rate: the first meta-learning rate, which falls to 0.
        clip: the longest gradient of the optimizer, to which longer ones are scaled; any length unless given.
        validations: how often it is examined, to keep the best.
        examined: problems of an examination.
        seed: of the first weights and of the problems.
        out: the run folder; named after the arguments unless given.
        resume: a run folder to go on with; all other arguments come from it.
    """
    from quickstudy.commands.optimizer import go_on, start

    if resume is not None:
        return go_on(resume)
    descents = {"horizons": horizons, "each": each, "segment": segment, "logarithm": logarithm}
    how = {"estimator": estimator, "sample": sample, "spread": spread, "rate": rate, "clip": clip}
    drawn = {"batch": batch, "steps": steps, "scaled": scaled}
    exam = {"validations": validations, "examined": examined, "seed": seed}
    start(options, out, rule=rule, problem=problem, **descents, **drawn, **how, **exam)


def lifelong(
    method: Annotated[Positional[str], arg(metavar="[METHOD]")] = "",
    stream: str = "split-mnist",
    scenario: Literal["task", "domain", "class"] = "class",
    mask: Literal["all", "seen", "own"] | None = None,
    each: int | None = None,
    examples: int | None = None,
    size: int | None = None,
    steps: int = 2000,
    batch: int = 128,
    rate: float = 1e-3,
    widths: tuple[int, ...] = (400, 400),
    seed: int = 0,
    options: Options = (),
    run: str | None = None,
    examine: Literal["test", "valid"] = "test",
    shuffled: bool = False,
    out: Path | None = None,
    resume: Path | None = None,
    json: bool = False,
) -> None:
    """Learn contexts that arrive one after another, and see what is forgotten; a life that was killed goes on.

    Examples: quickstudy lifelong ewc --stream split-mnist --scenario task --options strength=1e7
              quickstudy lifelong ewc+replay --scenario class --options capacity=500
              quickstudy lifelong prototypes --stream split-omniglot --run runs/my-prototypes
              quickstudy lifelong --resume runs/lifelong/ewc-split-mnist-task-seed0

    Args:
        method: naive, joint, alone, ewc, mas, si, lwf, replay, generative, noise, some of them joined by +, or a
            learner of few examples: prototypes, neighbours.
        stream: split-DATA, permuted-DATA or rotated-DATA, such as split-mnist, split-omniglot, split-mini_imagenet.
        scenario: task, whoever asks says of which context a question is; domain, contexts share their labels; class,
            the answer is one of all classes so far.
        mask: among which classes an example is told in training; own in the scenario task, else seen, unless given.
        each: classes a context of a split; 2 unless given, of mini_imagenet 5, of omniglot and glyphs an alphabet.
        examples: at most so many of a class, to learn and to examine.
        size: side of the pictures in pixels.
        steps: of training, a context.
        batch: examples a step, and as many replayed.
        rate: the learning rate of Adam.
        widths: of the hidden layers.
        seed: of the first weights, of what is drawn, and of the stream.
        run: the run folder of a learner of few examples that was meta-trained.
        examine: the part of the data that examines; strengths are chosen on valid.
        shuffled: deal the classes of a split to its contexts by the seed, instead of in their order.
        out: the folder of the life; named after the arguments unless given.
        resume: the folder of a life to go on with; all other arguments come from it.
        json: print one JSON object.
    """
    from quickstudy.commands.lifelong import start

    asked = (method, options, stream, scenario, mask, each, examples, size, steps, batch, rate, widths, seed, run)
    start((*asked, examine, shuffled), out, resume, json)
