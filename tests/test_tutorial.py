"""The tutorial, run from top to bottom."""

import json
import re
import sys
import threading
import urllib.request
from pathlib import Path

from quickstudy import __main__

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text(encoding="utf-8")


def blocks():
    """(language, code) in the order of the page."""
    return re.findall(r"```(python|sh)\n(.*?)```", PAGE, re.DOTALL)


def test_every_block_runs_and_says_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names, said = {"__name__": "tutorial"}, []
    for language, code in blocks():
        if language == "python":
            exec(compile(code, "tutorial.md", "exec"), names)
            continue
        for line in code.splitlines():
            monkeypatch.setattr(sys, "argv", line.split())
            __main__.main()
            said.append((line, capsys.readouterr().out))
    by_line = dict(said)
    asked = by_line["quickstudy predict letters.qs inbox"].splitlines()
    assert [line.split("\t")[1] for line in asked] == ["second", "second"]
    assert by_line["quickstudy predict letters.qs tray"].split("\t")[1] == "later"
    assert list(names["answers"]) == ["second", "second"]
    assert set(names["classifier"].classes_) == {"first", "second", "third", "fourth", "later"}
    assert (tmp_path / "letters.pt2").exists()
    assert served(names["server"], tmp_path / "tray" / "12.png")["answer"] == "later"


def served(server, picture):
    """What the server answers for a picture."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", data=picture.read_bytes()) as answer:
            return json.load(answer)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
