"""The documentation says what is so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_tables_are_those_of_the_results():
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_results_hold_what_their_papers_printed():
    from quickstudy.recipes import TABLES
    from quickstudy.recipes.cells import published, read_results

    for table, rows in TABLES.items():
        printed = {(cell.method, cell.variant, cell.setting): published(cell) for cell in rows}
        for found in read_results(ROOT / "results" / table):
            name = found["method"], found["variant"], found["setting"]
            assert found["published"] == printed[name], name


def test_the_ten_lines_run():
    code = re.search(r"## Ten lines\n\n```python\n(.*?)```", README, re.DOTALL)[1]
    quick = code.replace("steps=200, progress=True", "steps=2").replace("200).estimate", "3).estimate")
    assert quick.count("steps=2)") == 1
    done = subprocess.run([sys.executable, "-c", quick], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+\.\d ± \d+\.\d % on letters of scripts never seen\n", done.stdout)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_every_learner_is_in_the_readme():
    from quickstudy import learners

    assert all(f"| `{name}` |" in README for name in learners.__all__ + learners.REGRESSORS)
    assert all(f"`{name}`" in README for name in ["continual", *learners.AROUND])


def test_every_dependency_has_its_line():
    project = (ROOT / "pyproject.toml").read_text()
    wanted = re.findall(r'"([a-z-]+)>=', project.split("dependencies = [")[1].split("]")[0])
    table = (ROOT / "docs" / "dependencies.md").read_text()
    assert {"torch", "scipy"} <= set(wanted)
    assert all(f"| {name} |" in table for name in wanted)
