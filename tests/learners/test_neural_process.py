from __future__ import annotations

import pytest
import torch

from quickstudy.core import Examples, one_hot
from quickstudy.learners import neural_process


@pytest.fixture
def learner():
    return neural_process((1, 16, 16), way=3, width=4, normalization="group", hidden=6).double()


def test_the_statistics_are_the_mean_of_the_encoded_examples(learner, make_task):
    support, query = make_task()
    state = learner.adapt(learner.init(3), support)
    each = [
        learner.encoder(torch.cat([learner.embed(x[None]), one_hot(y[None], 3, x.dtype)], -1))[0]
        for x, y in zip(*support, strict=True)
    ]
    torch.testing.assert_close(state.total / state.number, sum(each) / len(each))
    asked = [learner.decoder(torch.cat([sum(each) / len(each), learner.embed(x[None])[0]])[None])[0] for x in query.x]
    torch.testing.assert_close(learner.predict(state, query.x), torch.stack(asked))


def test_padding_is_no_example(learner, make_task):
    support = make_task().support
    hidden = Examples(support.x, torch.where(torch.arange(len(support.y)) < 2, support.y, -1))
    padded, short = (learner.adapt(learner.init(3), some) for some in (hidden, Examples(support.x[:2], support.y[:2])))
    torch.testing.assert_close(padded.total, short.total)
    assert padded.number == short.number == 2


def test_another_number_of_classes_is_refused(learner):
    with pytest.raises(ValueError, match="3 labels and cannot start with 4"):
        learner.init(4)
