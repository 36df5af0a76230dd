"""The download path, against a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from quickstudy.data.originals import Remote, data_root, fetch
from quickstudy.files import FileProblem

CONTENT = bytes(range(256)) * 4096  # 1 MiB
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; keeps the ranges that were asked for; ``stop`` bytes and it hangs up, ``times`` times."""

    ranges: list[str | None]
    stop, times, resumes = len(CONTENT), 0, True

    def file(self, name: str = "file.zip", *digests: str) -> Remote:
        return Remote("file.zip", f"http://127.0.0.1:{self.server_port}/{name}", digests)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if self.path != "/file.zip":
            return self.send_error(404)
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.resumes else 0
        if begin >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(CONTENT) - begin))
        self.end_headers()
        end = len(CONTENT)
        if self.server.times:
            self.server.times, end = self.server.times - 1, begin + self.server.stop
        self.wfile.write(CONTENT[begin:end])

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.ranges = []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_missing_file_is_downloaded_and_verified(server: Server, tmp_path: Path):
    assert fetch([server.file("file.zip", "md5:0", DIGEST)], tmp_path / "new") == [tmp_path / "new" / "file.zip"]
    assert (tmp_path / "new" / "file.zip").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.zip"]


def test_a_file_on_disk_is_taken_as_it_is(server: Server, tmp_path: Path):
    (tmp_path / "file.zip").write_bytes(b"repacked")
    fetch([server.file("file.zip", DIGEST)], tmp_path)
    assert server.ranges == []
    assert (tmp_path / "file.zip").read_bytes() == b"repacked"


def test_a_dropped_connection_is_taken_up_where_it_stopped(server: Server, tmp_path: Path):
    server.stop, server.times = 300_000, 2
    fetch([server.file("file.zip", DIGEST)], tmp_path)
    assert server.ranges == [None, "bytes=300000-", "bytes=600000-"]
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_a_download_that_breaks_off_goes_on_the_next_time(server: Server, tmp_path: Path):
    server.stop, server.times = 100_000, 3
    with pytest.raises(FileProblem, match=r"file\.zip could not be downloaded"):
        fetch([server.file("file.zip", DIGEST)], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file.zip.part"]
    fetch([server.file("file.zip", DIGEST)], tmp_path)
    assert server.ranges[-1] == "bytes=300000-"
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path):
    server.resumes = False
    (tmp_path / "file.zip.part").write_bytes(b"something else")
    fetch([server.file("file.zip", DIGEST)], tmp_path)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_begun_again(server: Server, tmp_path: Path):
    (tmp_path / "file.zip.part").write_bytes(CONTENT + b"more")
    fetch([server.file("file.zip", DIGEST)], tmp_path)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_a_wrong_digest_is_never_used(server: Server, tmp_path: Path):
    with pytest.raises(FileProblem) as info:
        fetch([server.file("file.zip", "md5:1234", "sha256:5678")], tmp_path)
    assert list(tmp_path.iterdir()) == []
    for said in ("file.zip", "expected md5:1234 or sha256:5678", DIGEST, "deleted"):
        assert said in str(info.value)


def test_what_cannot_be_had_is_listed(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    files = [server.file("gone.zip"), Remote("other.csv")]
    with pytest.raises(FileProblem, match="404") as info:
        fetch(files, tmp_path / "set")
    for said in (str(files[0].url), "file.zip", "other.csv", str(tmp_path / "set"), "QUICKSTUDY_DATA", "set/"):
        assert said in str(info.value)


def test_a_refused_connection_says_so(server: Server, tmp_path: Path):
    file = Remote("file.zip", "http://127.0.0.1:1/file.zip")
    with pytest.raises(FileProblem, match=r"file\.zip could not be downloaded.*refused"):
        fetch([file], tmp_path)


def test_a_file_without_an_address_is_not_looked_for(tmp_path: Path):
    with pytest.raises(FileProblem, match="no official download"):
        fetch([Remote("pictures.tar")], tmp_path)


def test_the_root_is_what_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("QUICKSTUDY_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_root() == tmp_path / "quickstudy" / "data"
