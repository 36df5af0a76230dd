import inspect

import numpy as np
import pytest

from quickstudy import learners
from quickstudy.nets.sizes import check_sizes

SIZES = {"width", "hidden", "keys", "filters", "size", "rows", "heads"}
MET = {"way": 5, "classes": 20}
ASKED = [
    (name, option)
    for name in learners.__all__
    for option in sorted(SIZES & {*inspect.signature(getattr(learners, name)).parameters})
]


@pytest.mark.parametrize("wrong", [0, -3])
@pytest.mark.parametrize(("name", "option"), ASKED)
def test_a_size_below_one_is_named(name, option, wrong):
    make = getattr(learners, name)
    told = {key: value for key, value in MET.items() if key in inspect.signature(make).parameters}
    with pytest.raises(ValueError, match=rf"{option}.* at least.* got .*{wrong}"):
        make((1, 28, 28), **told, **{option: wrong})


@pytest.mark.parametrize("widths", [(0,), (4, -1)])
@pytest.mark.parametrize(("make", "shape"), [(learners.continual, (1, 28, 28)), (learners.maml_regressor, (1,))])
def test_a_layer_without_units_is_named(make, shape, widths):
    with pytest.raises(ValueError, match=rf"width {len(widths)} is a whole number, at least 1; got {widths[-1]}"):
        make(shape, widths=widths)


@pytest.mark.parametrize("generator", ["vae", "gan"])
@pytest.mark.parametrize(("given", "named"), [({"latent": 0}, "latent"), ({"widths": (0,)}, "width 1")])
def test_a_generator_without_units_is_named(generator, given, named):
    learner = learners.continual((1, 28, 28), widths=(4,))
    with pytest.raises(ValueError, match=rf"{named} is a whole number, at least 1; got 0"):
        learners.generative(learner, shape=(1, 28, 28), generator=generator, **given)


def test_whole_numbers_of_numpy_are_sizes():
    check_sizes(width=np.int64(3))
    with pytest.raises(ValueError, match=r"width is a whole number, at least 1; got 2\.5"):
        check_sizes(width=2.5)
