"""Nothing heavy is imported before it is needed."""

import subprocess
import sys


def imported(code):
    """The names in sys.modules after running the code."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_importing_the_package_and_asking_for_help_load_no_torch():
    assert not imported("import quickstudy") & {"torch", "numpy", "matplotlib"}
    assert not imported("import quickstudy.__main__") & {"torch", "numpy", "matplotlib"}


def test_learning_loads_no_plotting():
    assert "matplotlib" not in imported("from quickstudy import data, learners, tasks, train, evaluate")


def test_the_command_that_predicts_loads_no_scikit_learn():
    assert not imported("import quickstudy.commands.teaching") & {"sklearn", "scipy", "matplotlib", "pandas"}
