"""The scikit-learn face: learn from your own few examples.

``Taught`` and ``modelfile`` below it need no scikit-learn, so that the command line is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickstudy.estimator.classifier import FewShotClassifier as FewShotClassifier
    from quickstudy.estimator.regressor import FewShotRegressor as FewShotRegressor


def __getattr__(name: str) -> object:
    """The two estimators, loaded when they are first asked for."""
    if name == "FewShotClassifier":
        from quickstudy.estimator.classifier import FewShotClassifier

        return FewShotClassifier
    if name == "FewShotRegressor":
        from quickstudy.estimator.regressor import FewShotRegressor

        return FewShotRegressor
    raise AttributeError(f"module 'quickstudy.estimator' has no attribute {name!r}")
