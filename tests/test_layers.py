"""The layers of the library, read from its syntax trees. An arrow points from what is imported to what imports it."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import quickstudy

ROOT = Path(quickstudy.__file__).parent
LAYERS = [
    {"files", "kinds", "tree", "metrics", "core"},
    {"nets"},
    {"rules", "data", "tasks"},
    {"learners"},
    {"batching", "devices", "parallel", "storage", "embedding"},
    {"outer"},
    {"recalled"},
    {"train", "evaluate", "instances", "regression", "lifelong", "penalties", "policy_search", "weighting", "checks"},
    {"pretrained"},
    {"experiment", "optimizers"},
    {"lives"},
    {"charts"},
    {"maps", "molecules"},
    {"gallery", "inside", "learner_maps", "plot", "report", "life_report", "life_comparison"},
    {"estimator", "optim", "recipes", "studio"},
    {"commands"},
    {"arguments"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
LEARNERS_READ = {"core", "tree", "nets", "rules", "learners"}
COMPOSED = {  # a method that is made of another
    ("classifier", "neighbours"),
    ("finetune", "classifier"),
    ("baseline_plus_plus", "classifier"),
    ("lwf", "replay"),
    ("generative", "replay"),
}
SHARED = {"exemplars", "finetuned", "gradient", "inner", "sequential"}  # bases that methods share
SHARED |= {"elastic", "memory", "quadratic", "stepwise"}  # and lifelong ones
PLAIN = {
    "TypeVar",
    "range",
    "tuple",
    "dict",
    "frozenset",
    "set",
    "list",
    "str",
    "len",
    "replace",
    "arg",
    "re.compile",
    "cache",
    "lru_cache",
}
UNSAFE = {"eval", "exec", "compile", "torch.load", "torch.save", "np.load", "numpy.load", "__import__"}
PICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}

files = sorted(ROOT.rglob("*.py"))
every_file = pytest.mark.parametrize("path", files, ids=lambda path: str(path.relative_to(ROOT)))


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path: Path) -> str:
    """ "learners.density" of its file; the root is ""."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = {module_of(path) for path in files}


def imports(path: Path) -> set[str]:
    """The modules of the library that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    own = {name.partition(".")[2] for name in found if name.split(".")[0] == "quickstudy"}
    return {name if name in MODULES else name.rpartition(".")[0] for name in own} - {""}


def layer(module: str) -> str:
    return module.split(".")[0]


def dotted(node: ast.expr) -> str:
    return ast.unparse(node)


def test_every_module_has_its_layer():
    assert {layer(module) for module in MODULES} - {""} <= LEVEL.keys()
    assert sum(len(names) for names in LAYERS) == len(LEVEL)


@every_file
def test_imports_point_one_way(path):
    own = module_of(path)
    above = {other for other in imports(path) if own and LEVEL[layer(other)] > LEVEL[layer(own)]}
    assert not above, f"{own} is of layer {LEVEL[layer(own)]}, above it: {above}"


def test_imports_make_no_circle():
    graph = {module_of(path): imports(path) - {module_of(path)} for path in files if module_of(path)}
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


@pytest.mark.parametrize("path", [path for path in files if path.parent.name == "learners"], ids=lambda path: path.stem)
def test_learners_know_nothing_of_tasks_data_or_training(path):
    assert {layer(other) for other in imports(path)} <= LEARNERS_READ
    others = {other.split(".")[1] for other in imports(path) if other.startswith("learners.")}
    if path.stem != "__init__":
        assert {other for other in others - SHARED if (path.stem, other) not in COMPOSED} == set()


@pytest.mark.parametrize("path", [path for path in files if path.parent.name == "nets"], ids=lambda path: path.stem)
def test_nets_know_nothing_of_tasks(path):
    assert {layer(other) for other in imports(path)} <= {"core", "tree", "nets"}
    names = {alias.name for node in ast.walk(syntax(path)) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not names & {"Task", "Tasks", "Examples"}


@every_file
def test_no_import_takes_everything(path):
    stars = [node.lineno for node in ast.walk(syntax(path)) if isinstance(node, ast.alias) and node.name == "*"]
    assert not stars


def calls(node: ast.AST) -> list[str]:
    """What runs when this statement is imported: calls outside the bodies of functions."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        parts = [*getattr(node, "decorator_list", []), *node.args.defaults, *filter(None, node.args.kw_defaults)]
        return [name for part in parts for name in calls(part)]
    own = [dotted(node.func)] if isinstance(node, ast.Call) else []
    return own + [name for child in ast.iter_child_nodes(node) for name in calls(child)]


def harmless(name: str, path: Path) -> bool:
    """Types and their constructors, plain containers, and tables that a file computes for itself."""
    last = name.rpartition(".")[2]
    own = {node.name for node in syntax(path).body if isinstance(node, ast.FunctionDef)}
    return name in PLAIN | own or last[0].isupper() or name.startswith(("dataclass", "field", "functools."))


@every_file
def test_no_import_has_an_effect(path):
    quiet = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for node in syntax(path).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        guard = isinstance(node, ast.If) and dotted(node.test) in {"TYPE_CHECKING", "__name__ == '__main__'"}
        assert isinstance(node, quiet) or docstring or guard, f"line {node.lineno}: {ast.unparse(node)[:80]}"
        loud = [] if guard else [name for name in calls(node) if not harmless(name, path)]
        assert not loud, f"line {node.lineno} calls {loud} when it is imported"


@every_file
def test_nothing_runs_code_from_data(path):
    called = {dotted(node.func) for node in ast.walk(syntax(path)) if isinstance(node, ast.Call)}
    assert not called & UNSAFE
    loaded = {alias.name for node in ast.walk(syntax(path)) if isinstance(node, ast.Import) for alias in node.names}
    loaded |= {node.module for node in ast.walk(syntax(path)) if isinstance(node, ast.ImportFrom)}
    assert not {name.split(".")[0] for name in loaded} & PICKLES
