"""The command line."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import tyro

from quickstudy import __version__
from quickstudy.arguments import drawing, judging, teaching, training
from quickstudy.files import FileProblem

COMMANDS: dict[str, Callable[..., Any]] = {
    "demo": training.demo,
    "data": training.data,
    "train": training.train,
    "train-optimizer": training.train_optimizer,
    "evaluate": judging.evaluate,
    "compare": judging.compare,
    "lifelong": training.lifelong,
    "instances": judging.instances,
    "reproduce": judging.reproduce,
    "report": judging.report,
    "map": drawing.map,
    "fit": teaching.fit,
    "teach": teaching.teach,
    "predict": teaching.predict,
    "inspect": teaching.inspect,
    "export": teaching.export,
    "models": teaching.models,
}


def main() -> None:
    """Runs a command; what the user can mend is one line on stderr and a non-zero exit."""
    if sys.argv[1:] == ["--version"]:
        print(f"quickstudy {__version__}")
        return
    asked = sys.argv[1:]
    if asked[:2] == ["train", "learned-optimizer"]:
        asked = ["train-optimizer", *asked[2:]]
    warnings.formatwarning = lambda message, *_, **__: f"quickstudy: {message}\n"
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            args=asked,
            prog="quickstudy",
            description="Learning to learn. Begin with: quickstudy demo",
            config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
        )
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit("\nquickstudy: stopped; go on with: quickstudy train --resume RUN, or lifelong --resume RUN")
    except BrokenPipeError:  # the reader of our output has gone, as in `quickstudy data | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (FileProblem, ValueError, ArithmeticError, OSError) as error:
        sys.exit(f"quickstudy: {error}")


if __name__ == "__main__":
    main()
