"""Writes the tables of docs/results.md, docs/learned-optimizers.md and README.md from the files under results/.
``--check`` only compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

from quickstudy.experiment import VALIDATION_TASKS
from quickstudy.files import write
from quickstudy.recipes import TABLES
from quickstudy.recipes.cells import read_results, worded

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
FEW_SHOT = [  # (method, variant) rows of the README
    ("pixels", "cosine, no fine-tuning"),
    ("baseline classifier", "cosine, no fine-tuning"),
    ("convolutional siamese net", "cosine, no fine-tuning"),
    ("matching networks", "cosine, no fine-tuning"),
    ("prototypical networks", "squared Euclidean"),
    ("MAML", "conv, second order"),
    ("SNAIL", ""),
    ("Meta Networks", "previous split"),
]
LIFELONG = [
    ("none (fine-tuning)", ""),
    ("EWC", "separate Fisher"),
    ("SI", ""),
    ("MAS", "reg 1"),
    ("LwF", ""),
    ("noise replay", "labelled by the old learner"),
    ("exact replay", "1,000 examples"),
    ("DGR", "VAE"),
    ("DGR + distillation", "VAE"),
    ("offline (joint)", ""),
]
BY_INSTANCE = [("MANN", "one-hot labels, 5 classes"), ("LSTM", "one-hot labels, 5 classes")]
PRINTED = {  # with as many decimals as the papers have
    "accuracy_percent": ".1f",
    "count": ".0f",
    "mse": ".2f",
    "squared_error": ".2f",
    "squared_error_over_d": ".2f",
    "calibration_error_percent": ".1f",
    "auroc_percent": ".1f",
    "loss": ".3g",
    "forgetting_points": ".3f",
}
PICTURES = {
    "sinusoid": "The first test task before and after adaptation, and the error by gradient step",
    "in-context": "Errors and right answers by the number of examples, beside what can be had",
    "maps": "The MNIST test set in tailored embeddings, by the losses that they were trained with",
    "learned-optimizer": "Losses by step of learned and of tuned hand-designed optimizers",
    "optimizer-in-practice": "Held-out losses by step and by second, of a learned optimizer and of tuned Adam",
    "data-weights": "Mean weights of right and of wrong labels, and the labels that are trusted least",
    "fast-weights": "What a matrix of outer products holds, by feature map, and by rule where values are replaced",
    "fisher-batch": "Accuracy of EWC by strength: squared gradients of single examples, and of batches",
}
LEARNED = {  # columns of the tables of docs/learned-optimizers.md: title, method and variant
    "learned-optimizer": [
        ("LSTM", "LSTM", "coordinate-wise, learned"),
        ("LSTM, through the gradients", "LSTM", "through the gradients"),
        ("RNNProp", "RNNProp", "through the gradients, random scales"),
        *((name, name, "tuned rate") for name in ("Adam", "RMSprop", "NAG", "SGD")),
    ],
    "optimizer-in-practice": [
        ("RNNProp", "RNNProp", "learned on MNIST, random scales"),
        ("Adam", "Adam", "tuned rate"),
    ],
}
BY_SEED = {  # where a seed decides so much that rows are compared within it: setting, and why
    "split-mnist": (
        "domain-IL",
        "every seed but 0 deals the digits to the pairs anew; MAS and naive rehearsal have them in order",
    ),
}
HEADLINES = [  # title, table, columns and rows of the README's tables
    ("Omniglot", "omniglot-fewshot", ["5-way 1-shot", "5-way 5-shot", "20-way 1-shot", "20-way 5-shot"], FEW_SHOT),
    ("Omniglot, streams", "omniglot-instances", [f"instance {k}" for k in (1, 2, 3, 5, 10)], BY_INSTANCE),
    ("Split MNIST", "split-mnist", ["task-IL", "domain-IL", "class-IL"], LIFELONG),
]


def results_page() -> str:
    """docs/results.md: every cell, then every benchmark."""
    lines = [
        "# Results",
        "",
        "Made by `make docs` from the files under `results/`, which commands wrote. Accuracies are in per cent,",
        "regression is in mean squared errors; 95 % intervals, by Student's t, are over test tasks (and over seeds,",
        "where there are several). What they mean, and why some differ from the published ones:",
        "[reading-the-results.md](reading-the-results.md).",
    ]
    for table in TABLES:
        if not (cells := _ordered(table)):
            continue
        lines += ["", f"## {table}", "", *_picture(table), *_full(cells), "", *_by_seed(cells), *_notes(cells)]
    lines += ["", "## By budget", "", *_by_budget()]
    lines += ["", "## Speed", "", *_speed(read_results(ROOT / "results" / "bench"))]
    return "\n".join(lines) + "\n"


def _ordered(table: str) -> list[Any]:
    """The finished cells of a table as its recipe orders them: as the paper does."""
    place = {(cell.method, cell.variant, cell.setting): i for i, cell in enumerate(TABLES[table])}
    return sorted(read_results(ROOT / "results" / table), key=lambda c: place[c["method"], c["variant"], c["setting"]])


def readme(text: str) -> str:
    """The README with its tables of results renewed."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return head + BEGIN + "\n" + "\n\n".join("\n".join(_headline(*one)) for one in HEADLINES) + "\n" + END + tail


def _headline(title: str, table: str, settings: list[str], wanted: list[tuple[str, str]]) -> list[str]:
    """A table of the README: its rows that were measured."""
    cells = {(c["method"], c["variant"], c["setting"]): c for c in read_results(ROOT / "results" / table)}
    rows = [
        "| " + " | ".join([method, *(_short(cells.get((method, variant, s))) for s in settings)]) + " |"
        for method, variant in wanted
        if any((method, variant, s) in cells for s in settings)
    ]
    head = f"| {title}, published → ours | " + " | ".join(settings) + " |"
    return [head, "| --- " * (1 + len(settings)) + "|", *rows]


def optimizers(text: str) -> str:
    """docs/learned-optimizers.md with its tables renewed: published → ours, the lowest of a row in bold."""
    for table in LEARNED:
        begin, end = (f"<!-- {table}:{word} -->" for word in ("begin", "end"))
        head, rest = text.split(begin)
        text = head + "\n".join([begin, *_losses(table), end]) + rest.split(end)[1]
    return text


def _losses(table: str) -> list[str]:
    """A row for each setting that was measured."""
    cells = {(c["setting"], c["method"], c["variant"]): c for c in read_results(ROOT / "results" / table)}
    names, *_ = zip(*LEARNED[table], strict=True)
    rows = ["| published → ours | " + " | ".join(names) + " |", "| --- " * (1 + len(names)) + "|"]
    for setting in dict.fromkeys(cell.setting for cell in TABLES[table]):
        found = [cells.get((setting, *words)) for _, *words in LEARNED[table]]
        means = [cell["value"] for cell in found if cell is not None and cell["value"] is not None]
        if means:
            least = min(means) if len(means) > 1 else None
            rows.append("| " + " | ".join([setting, *(_loss(cell, least) for cell in found)]) + " |")
    return rows


def _loss(cell: Any, least: float | None) -> str:
    if cell is None:
        return ""
    paper = f"{cell['published']['value']:.2g} → " if cell["published"] else ""
    if cell["value"] is None:
        return f"{paper}diverges"
    mean = f"{cell['value']:.3f}"
    return f"{paper}{f'**{mean}**' if cell['value'] == least else mean} ± {cell['interval95']:.3f}"


def _short(cell: Any) -> str:
    if cell is None:
        return ""
    paper = f"{cell['published']['value']:.1f} → " if cell["published"] else ""
    seen = " (t)" if cell["transductive"] else ""
    return f"{paper}**{cell['value']:.1f}** ± {cell['interval95']:.2f}{seen}"


def _picture(table: str) -> list[str]:
    drawn = table in PICTURES and (ROOT / "docs" / f"{table}.png").exists()
    return [f"![{PICTURES[table]}]({table}.png)", ""] if drawn else []


def _full(cells: Any) -> list[str]:
    head = [
        "| method | variant | setting | published | ours | seeds | transductive | minutes a seed |",
        "| --- " * 8 + "|",
    ]
    return head + [_row(cell) for cell in cells]


def _printed(paper: Any, metric: str) -> str:
    """With two decimals where the paper has an interval."""
    if paper is None:
        return "–"
    if paper["interval95"] is None:
        return f"{paper['value']:{PRINTED[metric]}}"
    return f"{paper['value']:.2f} ± {paper['interval95']:.2f}"


def _row(cell: Any) -> str:
    kind = "yes" if cell["transductive"] else "no"
    words = [
        cell["method"],
        cell["variant"],
        cell["setting"],
        _printed(cell["published"], cell["metric"]),
        worded(cell),
        len(cell["seeds"]),
        kind,
        cell["minutes"],
    ]
    return "| " + " | ".join(str(word) for word in words) + " |"


def _by_seed(cells: Any) -> list[str]:
    """A column for each seed, where seeds make that much of a difference."""
    if cells[0]["table"] not in BY_SEED:
        return []
    setting, why = BY_SEED[cells[0]["table"]]
    there = [cell for cell in cells if cell["setting"] == setting]
    seeds = sorted({seed for cell in there for seed in cell["by_seed"]}, key=int)
    rows = [["method", "variant", *(f"seed {seed}" for seed in seeds)], ["---"] * (2 + len(seeds))]
    for cell in there:
        each = [f"{cell['by_seed'][s]['value']:.2f}" if s in cell["by_seed"] else "" for s in seeds]
        rows.append([cell["method"], cell["variant"], *each])
    return [f"{setting} by seed: {why}.", "", *(f"| {' | '.join(row)} |" for row in rows), ""]


def _notes(cells: Any) -> list[str]:
    facts = {
        "Tasks": {str(c["tasks"]) for c in cells},
        "Splits (SHA-256)": {c["split_sha256"][:12] for c in cells},
        "Commands": {f"`{c['command']}`" for c in cells},
        "Commits": {one["commit"] for c in cells for one in c["by_seed"].values()},
        "Hardware": {one["hardware"] for c in cells for one in c["by_seed"].values()},
        "Versions": {", ".join(f"{name} {v}" for name, v in c["versions"].items()) for c in cells},
    }
    told = [f"- {name}: {', '.join(sorted(values))}" for name, values in facts.items() if values]
    there = {(cell.method, cell.variant, cell.setting) for cell in TABLES[cells[0]["table"]]}
    waiting = f"; `quickstudy reproduce {cells[0]['table']} --list` has them" if len(cells) < len(there) else ""
    return [f"- Measured: {len(cells)} of {len(there)} cells{waiting}", *told]


class Curve(NamedTuple):
    """A training whose accuracy was taken on its way, by its first such seed."""

    table: str
    name: str
    learner: str
    points: list[list[float]]  # [step, accuracy]


def curves() -> list[Curve]:
    """Of all tables."""
    found = []
    for table in TABLES:
        cells = [cell for cell in _ordered(table) if cell["metric"] == "accuracy_percent"]
        for training in dict.fromkeys(cell["training"] for cell in cells):
            of = [cell for cell in cells if cell["training"] == training]
            taken = [one["curve"] for cell in of for one in cell["by_seed"].values() if "curve" in one]
            settings = {cell["setting"] for cell in of}
            words = of[0]["method"], of[0]["variant"], of[0]["setting"] if len(settings) == 1 else ""
            if taken:
                found.append(Curve(table, ", ".join(filter(None, words)), training.split("-")[0], taken[0]))
    return found


def _by_budget() -> list[str]:
    """The picture, and a row for each training."""
    told = ((of.table, of.name, ", ".join(f"{k:,}: {100 * score:.1f}" for k, score in of.points)) for of in curves())
    head = [
        "![Errors on validation tasks by the steps of training](by-budget.png)",
        "",
        "Validation tasks have as many classes as those of the training (20 at most). The rate falls to 0 at the last",
        "step: a line that ends flat says nothing of a longer training.",
        "",
        f"| table | trained for | accuracy on {VALIDATION_TASKS} validation tasks, %, by step |",
        "| --- " * 3 + "|",
    ]
    return head + ["| " + " | ".join(row) + " |" for row in told]


def _speed(benches: Any) -> list[str]:
    head = ["| work | against | ours | theirs | unit | ratio | rounds | load before | hardware |", "| --- " * 9 + "|"]
    return head + [_bench(bench) for bench in benches]


def _bench(bench: Any) -> str:
    ratio = f"**{bench['ratio']:.2f}**" if bench["ratio"] is not None else "–"
    theirs = f"{bench['theirs']:.3g}" if bench["theirs"] is not None else "–"
    peer = f"{bench['peer']} {bench.get('peer_version', '')}".strip()
    words = [
        f"{bench['work']}{_precision(bench)}",
        peer,
        f"{bench['ours']:.3g}",
        theirs,
        bench["unit"],
        ratio,
        bench["rounds"],
        f"{bench['load_before']:.1f}" if "load_before" in bench else "–",
        bench["hardware"],
    ]
    return "| " + " | ".join(str(word) for word in words) + " |"


def _precision(bench: Any) -> str:
    return f", {bench['precision']}" if "precision" in bench else ""


def main() -> None:
    learned = ROOT / "docs" / "learned-optimizers.md"
    pages = {
        ROOT / "docs" / "results.md": results_page(),
        ROOT / "README.md": readme((ROOT / "README.md").read_text()),
        learned: optimizers(learned.read_text()),
    }
    stale = [path.name for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        sys.exit(f"out of date: {', '.join(stale)}; run make docs" if stale else 0)
    for path, text in pages.items():
        write(path, text)


if __name__ == "__main__":
    main()
