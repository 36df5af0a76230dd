"""The command line: each function's arguments are the command's, its docstring the help.

Nothing heavy is imported until a command runs, so that ``--help`` is instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg

from quickstudy import __version__
from quickstudy.commands.tasks import TestStreams, TestTasks
from quickstudy.files import FileProblem

USUAL, FEWER, STREAMS = TestTasks(), TestTasks(tasks=300), TestStreams()
Precision = Literal["auto", "float32", "bfloat16"]
EstimatorName = Literal["unroll", "first_order", "reptile", "implicit"]
Options = Annotated[
    tuple[str, ...], arg(help="options of the learner's function, as KEY=VALUE: --options width=32 metric=cosine")
]
Data = Annotated[str, arg(help="omniglot, mini_imagenet, mnist, fashion_mnist, cifar10, glyphs, or folder:PATH")]


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
    batch: int = 1,
    steps: int | None = None,
    minutes: float | None = None,
    rate: float = 1e-3,
    estimator: EstimatorName = "unroll",
    optimizer: Literal["adam", "adam-constant", "sgd"] = "adam",
    precision: Precision = "auto",
    seed: int = 0,
    options: Options = (),
    out: Path | None = None,
    resume: Path | None = None,
) -> None:
    """Meta-train a learner into a run folder; a run that was killed goes on with --resume, to the same weights.

    Examples: quickstudy train prototypes --data omniglot --way 60 --minutes 10
              quickstudy train matching --shot 5 --options context=true
              quickstudy train --resume runs/prototypes-omniglot-60way-1shot-seed0
              quickstudy train maml --way 5 --batch 16 --estimator first_order
              quickstudy train mann --data omniglot --size 20 --way 5 --batch 16
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
        batch: episodes a step, which the processes of torchrun share.
        steps: length of the training (2,000 unless --minutes is given).
        minutes: length of the training as time; turned into steps once, at the start.
        rate: the first learning rate, which falls to 0.
        estimator: how the loss becomes gradients of what is learned over many tasks: exact, without second
            derivatives, from the adapted weights alone, or from the minimum that adapting ends in.
        optimizer: adam, whose rate falls along a half cosine, adam-constant, or sgd, whose rate falls linearly.
        precision: of convolutions and matrix products; auto is bfloat16 where the processor has it.
        seed: of the first weights and of the episodes.
        out: the run folder; named after the arguments unless given.
        resume: a run folder to go on with; all other arguments come from it.
    """
    from quickstudy.commands.train import go_on, start
    from quickstudy.parallel import group

    asked = (learner, data, split, size, way, shot, query, length, labels, batch, steps, minutes, rate)
    rest = (estimator, optimizer, precision, seed, options, out)
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
    estimator: Literal["truncated", "evolution"] = "truncated",
    sample: int | None = 1500,
    spread: float = 0.01,
    batch: int = 1,
    steps: int = 1000,
    rate: float = 3e-3,
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
        estimator: truncated backpropagation, or persistent evolution strategies.
        sample: coordinates of a network that are gone back through, drawn anew each segment.
        spread: deviation of the perturbations of evolution.
        batch: problems at a time.
        steps: segments.
        rate: the first meta-learning rate, which falls to 0.
        validations: how often it is examined, to keep the best.
        examined: problems of an examination.
        seed: of the first weights and of the problems.
        out: the run folder; named after the arguments unless given.
        resume: a run folder to go on with; all other arguments come from it.
    """
    from quickstudy.commands.optimizer import go_on, start

    if resume is not None:
        return go_on(resume)
    descents = {"horizons": horizons, "each": each, "segment": segment, "batch": batch, "scaled": scaled}
    how = {"estimator": estimator, "sample": sample, "spread": spread, "rate": rate, "steps": steps}
    exam = {"validations": validations, "examined": examined, "seed": seed}
    start(options, out, rule=rule, problem=problem, **descents, **how, **exam)


def evaluate(
    subject: Annotated[Positional[str], arg(metavar="RUN|LEARNER")],
    on: TestTasks = USUAL,
    options: Options = (),
    json: bool = False,
) -> None:
    """Measure accuracy on numbered tasks of classes never seen, with a 95 % interval.

    Examples: quickstudy evaluate runs/demo --way 5
              quickstudy evaluate neighbours --data omniglot --way 20 --shot 5 --json

    Args:
        subject: a run folder, or the name of a learner that needs no training (neighbours, density).
        json: print one JSON object.
    """
    from quickstudy.commands.evaluate import run

    run(subject, on, options, json)


def compare(
    subjects: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|LEARNER ...")],
    on: TestTasks = USUAL,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Compare runs and learners on the same tasks, with the interval of each paired difference to the first.

    Example: quickstudy compare runs/demo neighbours density --way 5 --out comparison.html

    Args:
        subjects: run folders, or names of learners that need no training.
        out: an HTML page to write.
        json: print one JSON object.
    """
    from quickstudy.commands.evaluate import run_comparison

    run_comparison(subjects, on, out, json)


def instances(
    subjects: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|LEARNER ...")],
    on: TestStreams = STREAMS,
    most: int = 10,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Measure accuracy by instance: when a class of a stream is met the first time, the second, and so on.

    Every learner can be measured so: each drawing is named by what was learned from those before it.

    Examples: quickstudy instances runs/mann-omniglot-5way-1shot-seed0 --out instances.html
              quickstudy instances neighbours --data omniglot --size 20 --way 5 --json

    Args:
        subjects: run folders, or names of learners that need no training.
        most: the last instance that is shown.
        out: an HTML page to write, with a look inside learners that have a memory or attention.
        json: print one JSON object.
    """
    from quickstudy.commands.instances import run

    run(subjects, on, most, out, json)


def report(
    run: Annotated[Positional[Path], arg(metavar="RUN")],
    on: TestTasks = FEWER,
    out: Path | None = None,
) -> None:
    """Write the page of a run: accuracy, tasks as they were answered, learning curve, hardest pairs, calibration; of a
    learner that reads sequences, also accuracy by instance; a look inside memories and attention.

    Example: quickstudy report runs/demo --out demo.html

    Args:
        run: a run folder.
        out: the HTML file; report.html in the run folder unless given.
    """
    from quickstudy.commands.evaluate import report

    report(run, on, out)


def reproduce(
    table: Annotated[Positional[str], arg(metavar="[TABLE]")] = "",
    only: str = "",
    seeds: int = 3,
    scale: float = 1.0,
    tasks: int = 1000,
    runs: Path = Path("runs/reproduce"),
    results: Path = Path("results"),
    picture: Path | None = None,
    list: bool = False,
) -> None:
    """Reproduce a published table, cell by cell; what is done already is not done again.

    Examples: quickstudy reproduce omniglot-fewshot --list
              quickstudy reproduce omniglot-fewshot --only prototypical --seeds 1
              quickstudy reproduce sinusoid --picture sinusoid.png

    Args:
        table: its name; all are listed if none is named.
        only: only the cells whose method, variant or setting holds these words.
        seeds: trainings a cell; the first seed of every cell comes before the second of any.
        scale: of the training steps: 0.1 trains a tenth as long. Noted in the cell.
        tasks: test tasks a cell.
        runs: where the trainings are kept.
        results: where the finished cells are written, as results/<table>/<cell>.json.
        picture: a PNG, PDF or SVG file to draw, for a table that has something to draw: sinusoid.
        list: only say which cells there are and which are done.
    """
    from quickstudy.commands.reproduce import run

    run(table, only, seeds, scale, tasks, runs, results, picture, list)


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
        each: classes a context.
        examples: at most so many of a class, to learn and to examine.
        size: side of the pictures in pixels.
        steps: of training, a context.
        batch: examples a step, and as many replayed.
        rate: the learning rate of Adam.
        widths: of the hidden layers.
        seed: of the first weights, of what is drawn, and of the stream.
        run: the run folder of a learner of few examples that was meta-trained.
        examine: the part of the data that examines; strengths are chosen on valid.
        out: the folder of the life; named after the arguments unless given.
        resume: the folder of a life to go on with; all other arguments come from it.
        json: print one JSON object.
    """
    from quickstudy.commands.lifelong import start

    asked = (method, options, stream, scenario, mask, each, examples, size, steps, batch, rate, widths, seed, run)
    start((*asked, examine), out, resume, json)


def fit(
    folder: Annotated[Positional[Path], arg(metavar="FOLDER")],
    out: Path = Path("model.qs"),
    learner: str | None = None,
    embedding: str | None = None,
    options: Options = (),
    size: int | None = None,
    reject: float | None = None,
) -> None:
    """Teach a learner your own pictures: a folder with a folder of pictures for each class, one picture is enough.

    Says at once how well it would do, one picture of each class left out in turn, and which ones look mislabelled.

    Examples: quickstudy fit my-letters --out letters.qs --reject 0.05
              quickstudy fit my-birds --embedding timm:resnet18 --out birds.qs

    Args:
        out: the model file to write.
        learner: shipped weights (quickstudy models), a run folder of quickstudy train, or neighbours; with an embedding
            prototypes, neighbours, matching, density or linear. The shipped weights omniglot unless given.
        embedding: timm:NAME or hf:NAME, a model of these libraries.
        size: side of the pictures in pixels, where nothing else says it.
        reject: share of pictures of known classes that may be turned away so that others are: 0.05, say.
    """
    from quickstudy.commands.teaching import fit

    fit(folder, out, learner, embedding, options, size, reject)


def teach(
    model: Annotated[Positional[Path], arg(metavar="MODEL")],
    folder: Annotated[Positional[Path], arg(metavar="FOLDER")],
    out: Path | None = None,
) -> None:
    """Teach a model file more pictures, of classes old and new; those it was taught before are not needed.

    Example: quickstudy teach letters.qs new-letters

    Args:
        out: where to write it; the model file itself unless given.
    """
    from quickstudy.commands.teaching import teach

    teach(model, folder, out)


def predict(
    model: Annotated[Positional[Path], arg(metavar="MODEL")],
    pictures: Annotated[Positional[tuple[Path, ...]], arg(metavar="PICTURES ...")],
    csv: bool = False,
    json: bool = False,
) -> None:
    """Say what pictures are: name, answer and probability, one picture a line.

    Examples: quickstudy predict letters.qs a.png b.png
              quickstudy predict letters.qs inbox --csv

    Args:
        csv: print a table with a header.
        json: print one JSON array, with the probability of every class.
    """
    from quickstudy.commands.teaching import predict

    predict(model, pictures, csv, json)


def inspect(model: Annotated[Positional[Path], arg(metavar="MODEL")], json: bool = False) -> None:
    """Show what a model file holds: classes, preprocessing, versions, accuracy, pictures that look mislabelled.

    Example: quickstudy inspect letters.qs

    Args:
        json: print one JSON object.
    """
    from quickstudy.commands.teaching import inspect

    inspect(model, json)


def export(
    model: Annotated[Positional[Path], arg(metavar="MODEL")], out: Annotated[Positional[Path], arg(metavar="OUT")]
) -> None:
    """Write a model file as one graph that other programs run: ONNX (.onnx) or torch.export (.pt2).

    Example: quickstudy export letters.qs letters.onnx

    Args:
        out: the file to write; its ending says which.
    """
    from quickstudy.commands.teaching import export

    export(model, out)


def models() -> None:
    """List the weights that come with quickstudy, what they reach, and the command that made them.

    Example: quickstudy models
    """
    from quickstudy.commands.teaching import models

    models()


COMMANDS: dict[str, Callable[..., Any]] = {
    "demo": demo,
    "data": data,
    "train": train,
    "train-optimizer": train_optimizer,
    "evaluate": evaluate,
    "compare": compare,
    "lifelong": lifelong,
    "instances": instances,
    "reproduce": reproduce,
    "report": report,
    "fit": fit,
    "teach": teach,
    "predict": predict,
    "inspect": inspect,
    "export": export,
    "models": models,
}


def main() -> None:
    """Runs a command; what the user can mend is one line on stderr and a non-zero exit."""
    if sys.argv[1:] == ["--version"]:
        print(f"quickstudy {__version__}")
        return
    asked = sys.argv[1:]
    if asked[:2] == ["train", "learned-optimizer"]:
        asked = ["train-optimizer", *asked[2:]]
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            args=asked,
            prog="quickstudy",
            description="Learning to learn. Begin with: quickstudy demo",
            config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
        )
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit("\nquickstudy: stopped; a training goes on with: quickstudy train --resume RUN")
    except BrokenPipeError:  # the reader of our output has gone, as in `quickstudy data | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (FileProblem, ValueError, ArithmeticError, OSError) as error:
        sys.exit(f"quickstudy: {error}")


if __name__ == "__main__":
    main()
