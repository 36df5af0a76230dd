"""Arguments that several commands take."""

from __future__ import annotations

from typing import Annotated

from tyro.conf import arg

Options = Annotated[
    tuple[str, ...], arg(help="options of the learner's function, as KEY=VALUE: --options width=32 metric=cosine")
]
Data = Annotated[str, arg(help="omniglot, mini_imagenet, mnist, fashion_mnist, cifar10, glyphs, or folder:PATH")]
