"""Your own examples: fit, teach, predict, inspect, models."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quickstudy.commands.options import parse
from quickstudy.estimator import modelfile, shipped
from quickstudy.estimator.choosing import Asked, untaught
from quickstudy.estimator.inputs import files_of, taught_by, tensors
from quickstudy.estimator.taught import Taught
from quickstudy.files import FileProblem

SUSPECTS = 5  # shown


def fit(
    folder: Path,
    out: Path,
    learner: str | None,
    embedding: str | None,
    options: Sequence[str],
    size: int | None,
    reject: float | None,
) -> None:
    """``quickstudy fit FOLDER --out MODEL``."""
    files, labels = taught_by(folder)
    if len(set(labels)) < 2:
        raise FileProblem(
            f"{folder} has one class folder, {labels[0]!r}; classes are told apart, so add a folder for another"
        )
    taught = untaught(Asked(learner, embedding, parse(options), size), files)
    taught.teach(tensors(files, taught.recipe.looks), labels)
    if reject is not None:
        _check_reject(taught, reject)
    asked = {"learner": learner, "embedding": embedding, "options": parse(options), "size": size}
    names = [_inside(file, folder) for file in files]
    modelfile.save(taught, out, {"reject": reject, "asked": asked, "files": names})
    _say(taught, out, names)
    print(f"next: quickstudy predict {out} PICTURE ...", file=sys.stderr)


def teach(model: Path, folder: Path, out: Path | None) -> None:
    """``quickstudy teach MODEL FOLDER``."""
    taught, more = modelfile.read(model)
    before = more.get("files", [])
    before += [f"example {row}" for row in range(len(before), sum(taught.counts))]  # taught in Python
    files, labels = taught_by(folder)
    taught.teach(tensors(files, taught.recipe.looks), labels)
    if more.get("reject") is not None:
        _check_reject(taught, more["reject"])
    names = before + [_inside(file, folder) for file in files]
    modelfile.save(taught, out or model, more | {"files": names})
    _say(taught, out or model, names)


def predict(model: Path, pictures: Sequence[Path], as_csv: bool, as_json: bool) -> None:
    """``quickstudy predict MODEL PICTURES``."""
    if as_csv and as_json:
        raise ValueError("--csv and --json are two ways to print; give one of them")
    files = [file for picture in pictures for file in files_of(picture)]
    if not files:
        raise ValueError("name at least one picture, or a folder of pictures")
    taught, more = modelfile.read(model)
    answers = list(_answers(taught, files, more.get("reject")))
    if as_json:
        print(json.dumps(answers, ensure_ascii=False, indent=2))
    elif as_csv:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(["picture", "answer", "probability", "novelty"])
        table.writerows([row["picture"], row["answer"], row["probability"], row["novelty"]] for row in answers)
    else:
        print("\n".join(_line(row) for row in answers))


def inspect(model: Path, as_json: bool) -> None:
    """``quickstudy inspect MODEL``."""
    about = modelfile.about(model)
    if as_json:
        print(json.dumps(about, ensure_ascii=False, indent=2))
        return
    taught, more = modelfile.read(model)
    recipe = taught.recipe
    print(f"{model}: format {about['format']}, quickstudy {about['quickstudy']}, torch {about['torch']}")
    print(f"learner: {recipe.learner}, embedding: {recipe.embedding}, reads {'x'.join(map(str, recipe.looks.shape))}")
    print("classes: " + ", ".join(f"{name} ({n})" for name, n in zip(taught.names, taught.counts, strict=True)))
    print(f"probabilities: temperature {taught.measured.temperature:.4g}, by {taught.measured.how}")
    print(f"rejects: {'never' if more.get('reject') is None else more['reject']}")
    _measured(taught, more.get("files", []))


def export(model: Path, out: Path) -> None:
    """``quickstudy export MODEL OUT``."""
    from quickstudy.estimator import export

    taught = modelfile.load(model)
    export.save(taught, out)
    shape = ", ".join(map(str, taught.recipe.looks.shape))
    print(f"{out}: reads x (n, {shape}) float32, pictures from 0 to 1; gives probabilities (n, {len(taught.names)})")


def models() -> None:
    """``quickstudy models``."""
    for name in shipped.names():
        about = shipped.figures(name)
        print(f"{name:10} {about['kilobytes']} kB  {about['learner']} on {about['data']}")
        print("           " + ", ".join(f"{key} {text}" for key, text in about["figures"].items()))
        print(f"           made by: {about['command']}")


def _answers(taught: Taught, files: Sequence[Path], reject: float | None) -> list[dict[str, Any]]:
    logits, novel = taught.answers(tensors(files, taught.recipe.looks))
    chances = taught.probabilities(logits)
    limit = None if reject is None else taught.threshold(reject)
    rows = []
    for file, chance, score in zip(files, chances, novel.tolist(), strict=True):
        best = int(chance.argmax())
        unknown = limit is not None and score > limit
        rows.append(
            {
                "picture": str(file),
                "answer": "unknown" if unknown else taught.names[best],
                "probability": round(float(chance[best]), 6),
                "novelty": round(score, 6),
                "probabilities": {str(name): round(float(p), 6) for name, p in zip(taught.names, chance, strict=True)},
            }
        )
    return rows


def _line(row: dict[str, Any]) -> str:
    return f"{_printable(row['picture'])}\t{_printable(str(row['answer']))}\t{row['probability']:.3f}"


def _check_reject(taught: Taught, reject: float) -> None:
    taught.threshold(reject)
    if "unknown" in taught.names:
        raise ValueError(
            '"unknown" is what is answered for pictures of no class; rename that folder, or leave --reject'
        )


def _say(taught: Taught, out: Path, files: Sequence[str]) -> None:
    print(f"{out}: {len(taught.names)} classes, {sum(taught.counts)} examples")
    _measured(taught, files)


def _measured(taught: Taught, files: Sequence[str]) -> None:
    found = taught.measured
    if found.accuracy is None:
        print("accuracy: cannot be told from one example a class; a second one of each lets it be measured")
        return
    print(f"accuracy: {100 * found.accuracy:.1f} % of {found.count} examples, one of each class left out in turn")
    for one in taught.suspects()[:SUSPECTS]:
        name = files[one.row] if one.row < len(files) else f"example {one.row}"
        print(
            f"look again: {_printable(name)} is labelled {one.label}, without it I would say {one.answer} "
            f"({100 * one.probability:.0f} %)"
        )


def _inside(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder))


def _printable(name: str) -> str:
    """On one line, whatever is in it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
