"""Starts the real program: the demo, and a router over a simulated provider for each dialect."""

import contextlib
import functools
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target" / "debug" / "xrouter"

# What a tier needs besides its provider, address and key.
MODELS = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-3.5-flash", "cohere": "command-a-03-2025"}
EXTRA = {"azure_openai": 'deployment = "gpt-4o"'}

CONFIGURATION = """
[server]
host = "127.0.0.1"
port = 0
[classifier]
kind = "off"
[tiers.frontier]
provider = "{provider}"
base_url = "{upstream}"
api_key = "test-key"
model = "{model}"
images = true
{extra}
"""


@contextlib.contextmanager
def serving(folder, *arguments):
    """Runs the program and gives the URL on which it listens. It ends after ten minutes at the latest."""
    # No variable of whoever runs the tests may configure it.
    environment = {"PATH": os.defpath, "NO_COLOR": "1"}
    command = ["timeout", "600", PROGRAM, *arguments]
    errors = folder / "stderr"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    try:
        for line in process.stdout:
            found = re.search(r"listen(?:ing|s on)\s+(?:http://)?([\w.]+:\d+)", line)
            if found:
                break
        else:
            pytest.fail(f"{' '.join(arguments)} ended before it listened: {errors.read_text()}")
        yield f"http://{found.group(1)}"
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@pytest.fixture(scope="session")
def router(tmp_path_factory):
    """The base URL of the demo: a router with three simulated upstreams. It ends with the session."""
    arguments = ["demo", "--port", "0", "--requests", "0", "--seconds", "600"]
    with serving(tmp_path_factory.mktemp("demo"), *arguments) as url:
        yield url


@pytest.fixture(scope="session")
def dialect_router(tmp_path_factory):
    """`dialect_router(provider)` is the base URL of a router over that provider's simulation.

    Both start when they are first asked for and end with the session. Routers with another `name` are other
    processes over the same simulation: what one of them remembers, the other does not know.
    """
    with contextlib.ExitStack() as running:

        @functools.cache
        def simulation(provider):
            folder = tmp_path_factory.mktemp(f"simulate-{provider}")
            arguments = ["simulate", provider, "--port", "0", "--seconds", "600"]
            return running.enter_context(serving(folder, *arguments))

        @functools.cache
        def start(provider, name="first"):
            folder = tmp_path_factory.mktemp(f"router-{provider}-{name}")
            model, extra = MODELS.get(provider, "gpt-5"), EXTRA.get(provider, "")
            text = CONFIGURATION.format(provider=provider, upstream=simulation(provider), model=model, extra=extra)
            (folder / "xrouter.toml").write_text(text)
            return running.enter_context(serving(folder, "run", "-c", str(folder / "xrouter.toml")))

        yield start
