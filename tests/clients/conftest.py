"""Starts the real program: the demo, and a router over a simulated provider for each dialect."""

import contextlib
import functools

import pytest
from programs import SESSION, serving

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


@pytest.fixture(scope="session")
def router(tmp_path_factory):
    """The base URL of the demo: a router with three simulated upstreams. It ends with the session."""
    arguments = ["demo", "--port", "0", "--requests", "0", "--seconds", str(SESSION)]
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
            arguments = ["simulate", provider, "--port", "0", "--seconds", str(SESSION)]
            return running.enter_context(serving(folder, *arguments))

        @functools.cache
        def start(provider, name="first"):
            folder = tmp_path_factory.mktemp(f"router-{provider}-{name}")
            model, extra = MODELS.get(provider, "gpt-5"), EXTRA.get(provider, "")
            text = CONFIGURATION.format(provider=provider, upstream=simulation(provider), model=model, extra=extra)
            (folder / "xrouter.toml").write_text(text)
            return running.enter_context(serving(folder, "run", "-c", str(folder / "xrouter.toml")))

        yield start
