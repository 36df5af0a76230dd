"""quickstudy: learning to learn on one small core.

``from quickstudy import data, learners, tasks`` and so on; ``core`` has the idea on one page. Modules are loaded when
they are first used, so that ``import quickstudy`` and ``quickstudy --help`` are instant.
"""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``quickstudy.FewShotClassifier`` and ``FewShotRegressor``, which need scikit-learn and torch."""
    if name in ("FewShotClassifier", "FewShotRegressor"):
        from quickstudy import estimator

        return estimator.__getattr__(name)
    raise AttributeError(f"module 'quickstudy' has no attribute {name!r}")
