"""The page as a file; tests/maps/test_browser.py opens it."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstudy.maps import page
from quickstudy.maps.picture import Picture

N = 7
EVIL = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{CODE}}",
    "a & b",
    "\u2028'\"",
    "\ud800",
    "",
]


class Parts(HTMLParser):
    """The elements of a page, and what is in its scripts and its style."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts, self.inside = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag in ("script", "style", "title", "h1"):
            self.inside = (tag, dict(attrs).get("id", ""))
            self.texts[self.inside] = ""

    def handle_data(self, data):
        if self.inside:
            self.texts[self.inside] += data

    def handle_endtag(self, tag):
        self.inside = None


def evil(**more):
    texts = np.array(EVIL, dtype=object)
    columns = {"</script>": texts, "price": np.linspace(-1, 1, N)}
    drawings = np.zeros((N, 4, 4), np.uint8)
    points = np.random.default_rng(0).normal(size=(N, 2))
    return Picture(points, columns, thumbnails=drawings, ids=texts, title=EVIL[0], quality=(EVIL[1],), **more)


@pytest.fixture(scope="module")
def parts():
    return Parts(page.page(evil()))


def test_no_text_of_the_user_becomes_a_part_of_the_page(parts):
    scripts = [attrs for tag, attrs in parts.found if tag == "script"]
    assert scripts == [
        {"type": "application/json", "id": "given"},
        {"type": "text/plain", "id": "sheet0"},
        {"type": "module"},
    ]
    assert not [tag for tag, _ in parts.found if tag in ("img", "iframe", "object", "embed", "base")]
    assert not [attrs for _, attrs in parts.found if any(name.startswith("on") for name in attrs)]
    assert parts.texts["h1", ""] == parts.texts["title", ""] == EVIL[0]


def test_texts_arrive_as_they_are(parts):
    told = json.loads(parts.texts["script", "given"])
    rows = np.frombuffer(base64.b64decode(told["rows"]), "<u4")
    assert [told["ids"][i] for i in np.argsort(rows)] == EVIL
    column = told["columns"][0]
    codes = np.frombuffer(base64.b64decode(column["codes"]), f"<u{column['bits'] // 8}")
    assert column["name"] == "</script>"
    assert [column["names"][codes[i]] for i in np.argsort(rows)] == EVIL
    assert told["quality"] == [EVIL[1]]


def test_the_policy_allows_this_code_and_style_and_nothing_else(parts):
    policy = next(attrs["content"] for tag, attrs in parts.found if attrs.get("http-equiv"))
    for kind, key in (("script", ("script", "")), ("style", ("style", ""))):
        digest = base64.b64encode(hashlib.sha256(parts.texts[key].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_names_no_address():
    text = page.page(Picture(np.eye(2)))
    assert set(re.findall(r"\bhttps?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(r"\b(?:src|href)\s*=\s*[\"']", text)
    assert "@import" not in text
    assert "url(" not in text


@given(st.integers(1, 50), st.integers(0, 5))
def test_points_and_cells_follow_their_rows(count, seed):
    points = np.random.default_rng(count).normal(size=(count, 2)).astype(np.float32)
    cells = np.stack([np.arange(count) // 8, np.arange(count) % 8], 1)
    told = json.loads(Parts(page.page(Picture(points, cells=cells, shape=(7, 8)), seed=seed)).texts["script", "given"])
    rows, kept, places = (
        np.frombuffer(base64.b64decode(told[name]), kind)
        for name, kind in (("rows", "<u4"), ("points", "<f4"), ("cells", "<u2"))
    )
    assert sorted(rows) == list(range(count))
    np.testing.assert_array_equal(kept.reshape(-1, 2), points[rows])
    np.testing.assert_array_equal(places.reshape(-1, 2), cells[rows])


def test_the_same_map_is_the_same_page():
    assert page.page(evil()) == page.page(evil())


def test_every_part_of_the_code_is_in_the_package():
    folder = page.resources.files("quickstudy.maps") / "web"
    assert {f"{part}.js" for part in page.PARTS} == {
        file.name for file in folder.iterdir() if file.name.endswith(".js")
    }
