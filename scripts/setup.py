"""Creates .venv where needed and installs requirements into it; does nothing when they have not changed.

    python3 scripts/setup.py              # what the dashboard needs
    python3 scripts/setup.py --dev        # what the tests need besides, and a Chromium where it can be installed

Only the standard library is used here. An extra index that does not answer within five seconds is left out, so that pip does not
try it once for every package.
"""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("VENV", ROOT / ".venv"))
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
INDEX_SECONDS = 5


def answers(url: str) -> bool:
    """Whether a package index can be reached."""
    try:
        with urllib.request.urlopen(url.rstrip("/") + "/torch/", timeout=INDEX_SECONDS):
            return True
    except (urllib.error.URLError, TimeoutError, OSError):
        return False


def reachable(text: str) -> str:
    """Requirements without the extra indexes that do not answer."""
    kept = []
    for line in text.splitlines():
        match = re.match(r"--extra-index-url\s+(\S+)", line)
        if match and not answers(match[1]):
            print(f"note: {match[1]} does not answer; torch comes from the default index")
            continue
        kept.append(line)
    return "\n".join(kept)


def wanted(dev: bool) -> str:
    """The text of the requirements, in one piece."""
    text = (ROOT / "requirements.txt").read_text()
    if dev:
        lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
        text += "\n" + "\n".join(line for line in lines if not line.startswith("-r "))
    return text


def install(dev: bool) -> None:
    """Creates the environment and installs, unless the stamp says that this very text is installed already."""
    if sys.version_info < (3, 11):  # noqa: UP036 (this script runs before anything checks the version)
        sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; set PYTHON=/path/to/python3.11")
    text = wanted(dev)
    stamp = VENV / (".installed-dev" if dev else ".installed")
    mark = hashlib.sha256(text.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == mark and PYTHON.is_file():
        return
    if not PYTHON.is_file():
        print(f"creating {VENV}")
        venv.create(VENV, with_pip=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text(reachable(text))
        subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1",
                        "--timeout", "20", "-r", str(file)], check=True)
    for path in (stamp, VENV / ".installed") if dev else (stamp,):
        path.write_text(mark if path == stamp else hashlib.sha256(wanted(False).encode()).hexdigest())


def browser() -> None:
    """Makes sure a Chromium is there for the browser tests; installs Debian's where that is possible."""
    if os.environ.get("CHROMIUM") or any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print("installing chromium for the browser tests")
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=env, check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], env=env, check=False)
    if not shutil.which("chromium"):
        print("note: no Chromium found; the browser tests will fail and say so. Install chromium or set CHROMIUM=/path/to/it")


if __name__ == "__main__":
    install("--dev" in sys.argv[1:])
    if "--dev" in sys.argv[1:]:
        browser()
