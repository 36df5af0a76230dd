"""A headless Chromium spoken to through a pipe, by its DevTools protocol: standard library alone."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell")
PATIENCE = 120  # seconds
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-pipe",
)


def found() -> str | None:
    """Where a Chromium is, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """One page in a browser. ``requests`` are the addresses that it asked for, ``problems`` what its console said."""

    def __init__(self, *flags: str, size: tuple[int, int] = (1280, 800)) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="chromium-"))
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, os.dup(theirs_in), 3), (os.POSIX_SPAWN_DUP2, os.dup(theirs_out), 4)]
        actions.append((os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0o644))
        command = [found() or NAMES[0], *FLAGS, f"--user-data-dir={self.home}", *flags, "about:blank"]
        self.process = os.posix_spawn(command[0], command, os.environ, file_actions=actions, setpgroup=0)
        for end in (theirs_in, theirs_out, actions[0][1], actions[1][1]):
            os.close(end)
        self._last, self._left, self._session = 0, b"", None
        self.requests: list[str] = []
        self.problems: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")
        self.window(*size)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one command. Raises RuntimeError where it is refused, TimeoutError after two minutes."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            said = self._read(PATIENCE)
            if said.get("id") == self._last:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']['message']}")
                return said["result"]
            self._note(said)

    def window(self, width: int, height: int, *, density: float = 1, mobile: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": density, "mobile": mobile}
        self.ask("Emulation.setDeviceMetricsOverride", **size)

    def prefers(self, **features: str) -> None:
        """``prefers(color_scheme="dark")``."""
        values = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
        self.ask("Emulation.setEmulatedMedia", features=values)

    def offline(self) -> None:
        conditions = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self.ask("Network.emulateNetworkConditions", offline=True, **conditions)

    def open(self, path: Path, mark: str = "") -> None:
        """Opens a file and waits until the map is there; ``mark``: what follows the file's name, such as #webgl."""
        self.ask("Page.navigate", url=path.resolve().as_uri() + mark)
        self.until("document.readyState === 'complete' && window.map !== undefined")
        self.run("map.ready.then(() => true)")

    def run(self, code: str) -> Any:
        """The value of an expression in the page; promises are awaited. Raises RuntimeError for an exception."""
        done = self.ask("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            told = done["exceptionDetails"]
            raise RuntimeError(told.get("exception", {}).get("description", told["text"]))
        return done["result"].get("value")

    def until(self, code: str, seconds: float = 30) -> None:
        """Waits until an expression holds. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while not self.run(code):
            if time.monotonic() > end:
                raise TimeoutError(f"never came true: {code}; the console said {self.problems}")
            time.sleep(0.02)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """``kind``: Moved, Pressed, Released or Wheel."""
        self.ask("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    def drag(self, places: list[tuple[float, float]], **more: Any) -> None:
        """Presses at the first place, moves through the others, releases at the last."""
        held = {"button": "left", "buttons": 1, "clickCount": 1, **more}
        self.mouse("Moved", *places[0])
        self.mouse("Pressed", *places[0], **held)
        for place in places[1:]:
            self.mouse("Moved", *place, **held)
        self.mouse("Released", *places[-1], **held)

    def key(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def write(self, text: str) -> None:
        self.ask("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """Ends the browser and takes its profile away."""
        try:
            self._session = None
            self.ask("Browser.close")
        except (OSError, TimeoutError, RuntimeError):
            os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        for end in (self._in, self._out):
            os.close(end)
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"Chromium said nothing for {seconds} seconds")
            part = os.read(self._in, 1 << 20)
            if not part:
                raise OSError("Chromium has ended")
            self._left += part
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)

    def _note(self, said: dict[str, Any]) -> None:
        """Keeps what was asked of the network and what the console said."""
        told = said.get("params", {})
        if said.get("method") == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif said.get("method") == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif said.get("method") == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.problems.append(" ".join(str(part.get("value")) for part in told["args"]))
        elif said.get("method") == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.problems.append(told["entry"]["text"])
