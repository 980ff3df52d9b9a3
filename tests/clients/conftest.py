"""Starts the real program: the demo, which is a router with three simulated upstreams."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target" / "debug" / "xrouter"


@pytest.fixture(scope="session")
def router():
    """The base URL of a running router. It ends with the session, at the latest after ten minutes."""
    command = [PROGRAM, "demo", "--port", "0", "--requests", "0", "--seconds", "600"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            found = re.search(r"listening\s+(http://\S+)", line)
            if found:
                yield found.group(1)
                break
        else:
            pytest.fail("the demo ended before it listened")
    finally:
        process.terminate()
        process.wait(timeout=20)
