"""Batteries for learners, rules and tasks of your own: what must hold whatever the method, each property usable alone.

``check_learner(learner, tasks)``, ``check_rule(rule, weights)`` and ``check_tasks(tasks)`` raise AssertionError with a
message that names the property, by how much it fails and where to look. They run on copies, in float64 where figures
are compared. The properties of rules are in ``checks.rules``.
"""

from quickstudy.checks.gradients import (
    check_differences,
    check_mapped_gradients,
    check_padded_loss,
    check_progress,
    check_reach,
)
from quickstudy.checks.learner import (
    check_independence,
    check_learner,
    check_many,
    check_mapping,
    check_nothing,
    check_order,
    check_padding,
    check_start,
    check_state,
    check_storage,
    check_trace,
    check_types,
    check_unchanged,
    check_widening,
)
from quickstudy.checks.rules import check_rule
from quickstudy.checks.tasks import check_balance, check_disjoint, check_no_leak, check_numbering, check_tasks

__all__ = [
    "check_balance",
    "check_differences",
    "check_disjoint",
    "check_independence",
    "check_learner",
    "check_many",
    "check_mapped_gradients",
    "check_mapping",
    "check_no_leak",
    "check_nothing",
    "check_numbering",
    "check_order",
    "check_padded_loss",
    "check_padding",
    "check_progress",
    "check_reach",
    "check_rule",
    "check_start",
    "check_state",
    "check_storage",
    "check_tasks",
    "check_trace",
    "check_types",
    "check_unchanged",
    "check_widening",
]
