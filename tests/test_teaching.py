"""fit, teach, predict, inspect, models and export at the command line, and ten kinds of bad input."""

import csv
import io
import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from quickstudy import __main__, storage
from quickstudy.estimator import FewShotClassifier, modelfile, shipped

OWN = ("--learner", "neighbours", "--size", 20)


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command in this process; what it prints. A refusal is its one line."""

    def run(*arguments, ok=True):
        monkeypatch.setattr(sys, "argv", ["quickstudy", *map(str, arguments)])
        if ok:
            __main__.main()
            return capsys.readouterr().out
        with pytest.raises(SystemExit) as stopped:
            __main__.main()
        assert str(stopped.value.code).startswith("quickstudy: ")
        return str(stopped.value.code)

    return run


def page(c, i, size=24):
    """Dark strokes on bright paper."""
    out = np.full((size, size), 255, np.uint8)
    out[3 + 4 * c : 5 + 4 * c, 2 : size - 2 - i % 3] = 0
    out[2 + i % 2 : -2, 4 + 5 * c] = 0
    return out


def write(path, c, i, size=24):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(page(c, i, size)).save(path)


@pytest.fixture
def folder(tmp_path):
    for c, name in enumerate(("bar", "cross", "ärger\nline")):
        for i in range(3):
            write(tmp_path / "mine" / name / f"{i}.png", c, i)
    return tmp_path / "mine"


@pytest.fixture
def model(run, folder, tmp_path):
    run("fit", folder, "--out", tmp_path / "m.qs", *OWN)
    return tmp_path / "m.qs"


def test_fit_says_how_well_it_would_do(run, folder, tmp_path):
    said = run("fit", folder, "--out", tmp_path / "m.qs", *OWN)
    assert "3 classes, 9 examples" in said
    assert "% of 9 examples, one of each class left out in turn" in said


def test_predict_prints_lines_tables_and_json(run, model, tmp_path):
    asked = [tmp_path / "a,b.png", tmp_path / "nëw\nline.png"]
    for c, path in enumerate(asked):
        write(path, c, 7, size=31)  # of another size
    lines = run("predict", model, *asked).splitlines()
    assert [line.split("\t")[1] for line in lines] == ["bar", "cross"]
    assert "\\n" in lines[1]
    rows = list(csv.DictReader(io.StringIO(run("predict", model, *asked, "--csv"))))
    assert [row["picture"] for row in rows] == list(map(str, asked))
    found = json.loads(run("predict", model, *asked, "--json"))
    assert [one["answer"] for one in found] == ["bar", "cross"]
    assert all(sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-4) for one in found)
    assert set(found[0]["probabilities"]) == {"bar", "cross", "ärger\nline"}
    assert "give one of them" in run("predict", model, *asked, "--json", "--csv", ok=False)


def test_a_folder_of_pictures_is_asked_whole(run, model, tmp_path):
    for c in range(3):
        write(tmp_path / "inbox" / f"{c}.png", c, 9)
    assert len(run("predict", model, tmp_path / "inbox").splitlines()) == 3


def test_a_class_is_added_without_the_old_pictures(run, model, folder, tmp_path):
    for path in folder.rglob("*.png"):
        path.unlink()
    for i in range(2):
        write(tmp_path / "new" / "later" / f"{i}.png", 4, i, 30)
    assert "4 classes, 11 examples" in run("teach", model, tmp_path / "new")
    write(tmp_path / "x.png", 4, 5, 30)
    assert "\tlater\t" in run("predict", model, tmp_path / "x.png")
    about = run("inspect", model)
    assert "later (2)" in about
    assert "cross (3)" in about
    assert json.loads(run("inspect", model, "--json"))["names"] == ["bar", "cross", "ärger\nline", "later"]


def test_what_is_mislabelled_is_named(run, folder, tmp_path):
    for i in range(3, 9):
        write(folder / "bar" / f"{i}.png", 0, i)
        write(folder / "cross" / f"{i}.png", 1, i)
    write(folder / "bar" / "wrong.png", 1, 20)
    said = run("fit", folder, "--out", tmp_path / "m.qs", *OWN)
    assert "look again: bar/wrong.png is labelled bar, without it I would say cross" in said


def test_what_is_no_class_is_turned_away(run, folder, tmp_path):
    run("fit", folder, "--out", tmp_path / "m.qs", *OWN, "--reject", 0.2)
    noise = (255 * np.random.default_rng(0).random((24, 24))).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    write(tmp_path / "known.png", 0, 0)
    lines = run("predict", tmp_path / "m.qs", tmp_path / "noise.png", tmp_path / "known.png").splitlines()
    assert [line.split("\t")[1] for line in lines] == ["unknown", "bar"]


def test_export_at_the_command_line(run, model, tmp_path):
    assert "reads x (n, 1, 20, 20)" in run("export", model, tmp_path / "m.pt2")
    assert (tmp_path / "m.pt2").stat().st_size > 0


def test_models_are_listed_with_what_they_reach_and_how_they_were_made(run):
    said = run("models")
    assert all(name in said for name in shipped.names())
    assert "made by: quickstudy train prototypes --data omniglot --split lake --way 60" in said
    assert "20-way 1-shot" in said


def test_as_a_process(model, tmp_path):
    write(tmp_path / "x.png", 2, 4)
    asked = [sys.executable, "-m", "quickstudy", "predict", str(model), str(tmp_path / "x.png"), "--json"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120)
    assert json.loads(done.stdout)[0]["answer"] == "ärger\nline", done.stderr


# ten kinds of bad input


def test_an_empty_class(run, folder, tmp_path):
    (folder / "empty").mkdir()
    assert "empty holds no pictures" in run("fit", folder, "--out", tmp_path / "m.qs", *OWN, ok=False)


def test_one_class_only(run, tmp_path):
    write(tmp_path / "one" / "bar" / "a.png", 0, 0)
    assert "one class folder, 'bar'" in run("fit", tmp_path / "one", "--out", tmp_path / "m.qs", *OWN, ok=False)


def test_an_unreadable_picture(run, folder, model, tmp_path):
    (folder / "bar" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert "broken.png is no picture that can be read" in run("fit", folder, "--out", tmp_path / "n.qs", *OWN, ok=False)
    assert "broken.png is no picture" in run("predict", model, folder / "bar" / "broken.png", ok=False)
    assert not (tmp_path / "n.qs").exists()


def large(c):
    return Image.fromarray(np.kron(page(c, 0), np.ones((3, 3), np.uint8)))


def kinds():
    """The same page in every kind of file that a scanner or a phone makes."""
    base = large(1)
    yield "palette.png", base.quantize(4), {}
    yield "sixteen.png", Image.fromarray(np.asarray(base).astype(np.uint16) * 257), {}
    yield "cmyk.tif", base.convert("CMYK"), {}
    yield "moving.gif", base, {"save_all": True, "append_images": [large(0)]}
    yield "clear.png", Image.merge("LA", (base, base.point(lambda v: 255 - v))), {}
    yield "inverted.png", base.point(lambda v: 255 - v), {}
    yield "turned.jpg", base.transpose(Image.Transpose.ROTATE_90), {"exif": turned(), "quality": 95}


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    return exif


def test_palette_16_bit_cmyk_animated_transparent_inverted_and_turned_pictures_are_read_alike(run, model, tmp_path):
    base = tmp_path / "base.png"
    large(1).save(base)
    (want,) = json.loads(run("predict", model, base, "--json"))
    for name, picture, how in kinds():
        picture.save(tmp_path / name, **how)
        (found,) = json.loads(run("predict", model, tmp_path / name, "--json"))
        assert found["answer"] == want["answer"] == "cross", name
        assert found["novelty"] == pytest.approx(want["novelty"], abs=0.02), name


def test_a_picture_of_another_size_or_shape(run, model, tmp_path):
    for size in ((200, 200), (24, 60), (5, 5), (1, 1)):
        Image.fromarray(page(0, 0)).resize(size).save(tmp_path / "x.png")
        assert run("predict", model, tmp_path / "x.png").count("\t") == 2


def test_a_label_not_seen(run, model, tmp_path):
    from quickstudy.estimator import FewShotClassifier

    made = FewShotClassifier.load(model)
    write(tmp_path / "x.png", 0, 0)
    assert made.score([tmp_path / "x.png"], ["never taught"]) == 0  # it is no class, so it cannot be right
    made.partial_fit([tmp_path / "x.png"], ["never taught"])
    assert "never taught" in made.classes_


def test_a_model_file_cut_short(run, model, tmp_path):
    data = model.read_bytes()
    model.write_bytes(data[: len(data) // 2])
    assert "m.qs is damaged or incomplete" in run("inspect", model, ok=False)
    write(tmp_path / "x.png", 0, 0)
    assert "make it anew with quickstudy fit" in run("predict", model, tmp_path / "x.png", ok=False)


def test_a_model_file_of_a_newer_version(run, model):
    tensors, about = storage.load_tensors(model)
    storage.save_tensors(model, tensors, about | {"format": modelfile.FORMAT + 1})
    assert "pip install --upgrade quickstudy" in run("inspect", model, ok=False)


def test_a_folder_inside_a_folder(run, folder, model, tmp_path):
    (folder / "deeper" / "still").mkdir(parents=True)
    write(folder / "deeper" / "still" / "a.png", 0, 0)
    said = run("fit", folder, "--out", tmp_path / "n.qs", *OWN, ok=False)
    assert "deeper holds no pictures (folders in it are not searched)" in said
    (tmp_path / "nothing").mkdir()
    assert "holds no folders" in run("predict", model, tmp_path / "nothing", ok=False)


def test_names_with_newlines_and_other_alphabets(run, model, tmp_path):
    write(tmp_path / "日本\n語.png", 2, 0)
    (line,) = run("predict", model, tmp_path / "日本\n語.png").splitlines()
    assert "日本\\n語.png" in line
    assert "ärger\\nline" in line


def test_what_was_taught_in_python_keeps_its_place_among_the_files(run, folder, model, tmp_path):
    write(tmp_path / "more" / "bar" / "9.png", 1, 0)  # a cross that is called a bar
    FewShotClassifier.load(model).save(tmp_path / "again.qs")
    assert run("teach", tmp_path / "again.qs", tmp_path / "more") == run(
        "teach", model, tmp_path / "more", "--out", tmp_path / "again.qs"
    ).replace("m.qs", "again.qs")
    assert "look again: bar/9.png" in run("inspect", tmp_path / "again.qs")


def test_litter_and_notes_beside_pictures_are_passed_over(run, model, folder, tmp_path):
    write(tmp_path / "inbox" / "a.png", 0, 0)
    (tmp_path / "inbox" / "Thumbs.db").write_bytes(b"no picture")
    assert run("predict", model, tmp_path / "inbox").count("\n") == 1
    (folder / "README.md").write_text("notes")
    assert run("predict", model, folder).count("\n") == 9
    (tmp_path / "inbox" / "older").mkdir()
    assert run("predict", model, tmp_path / "inbox").count("\n") == 1


def test_a_strip_takes_no_square_of_its_length(run, model, tmp_path):
    Image.new("L", (60_000, 1), 255).save(tmp_path / "strip.png")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run("predict", model, tmp_path / "strip.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # kB: a square would take ten times this


@pytest.mark.parametrize(("dtype", "most"), [(np.int32, 255), (np.int32, 65535), (np.float32, 255), (np.float32, 1)])
def test_wide_numbers_are_read_in_their_unit(run, model, tmp_path, dtype, most):
    Image.fromarray(page(1, 0)).save(tmp_path / "plain.png")
    wide = (page(1, 0).astype(np.float64) / 255 * most).astype(dtype)
    Image.fromarray(wide).save(tmp_path / "wide.tif")
    plain, wide = (run("predict", model, tmp_path / name).split("\t")[1:] for name in ("plain.png", "wide.tif"))
    assert plain == wide


def test_numbers_below_nothing_are_refused(run, model, tmp_path):
    Image.fromarray(np.full((9, 9), -3, np.int32)).save(tmp_path / "a.tif")
    assert "pixels from -3 to" in run("predict", model, tmp_path / "a.tif", ok=False)


def test_a_model_is_written_as_other_files_are(run, folder, model, tmp_path):
    mask = os.umask(0o077)
    try:
        run("fit", folder, "--out", tmp_path / "private.qs", *OWN)
    finally:
        os.umask(mask)
    assert (tmp_path / "private.qs").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link.qs").symlink_to(model)
    before = model.read_bytes()
    write(tmp_path / "more" / "bar" / "9.png", 0, 1)
    run("teach", tmp_path / "link.qs", tmp_path / "more")
    assert (tmp_path / "link.qs").is_symlink()
    assert model.read_bytes() != before
    os.mkfifo(tmp_path / "pipe.qs")
    assert "no regular file" in run("fit", folder, "--out", tmp_path / "pipe.qs", *OWN, ok=False)
