"""Programs that tests start. Each has a limit, is killed with all that it started, and is told with what it printed."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target" / "debug" / "xrouter"

# Seconds: the longest wait for something that must happen, and the longest life of a program that the whole session
# uses. They end what would hang for ever; no machine is so busy that they are reached.
LIMIT = 300
SESSION = 3600


def kill(process):
    """Kills a process that has its own group, with all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def limited(process):
    """Kills the process if what is done in the meantime takes longer than the limit."""
    watch = threading.Timer(LIMIT, kill, [process])
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def run(command):
    """Runs a program to its end and gives what it printed."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        with limited(process):
            out, errors = process.communicate()
    if process.returncode != 0:
        how = f"ended with {process.returncode} (killed after {LIMIT} s if that is -9)"
        pytest.fail(f"{' '.join(map(str, command))} {how}; it had printed:\n{out}\n{errors}")
    return out


@contextlib.contextmanager
def serving(folder, *arguments):
    """Runs the program and gives the URL on which it listens."""
    # No variable of whoever runs the tests may configure it.
    environment = {"PATH": os.defpath, "NO_COLOR": "1"}
    # It ends even where these tests are killed and cannot end it.
    command = ["timeout", str(SESSION), PROGRAM, *arguments]
    errors = folder / "stderr"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    try:
        printed = ""
        with limited(process):
            for line in process.stdout:
                printed += line
                found = re.search(r"listen(?:ing|s on)\s+(?:http://)?([\w.]+:\d+)", line)
                if found:
                    break
            else:
                said = f"{printed}{errors.read_text()}"
                told = f"xrouter {' '.join(arguments)} ended before it listened, or was killed after {LIMIT} s"
                pytest.fail(f"{told}; it had printed:\n{said}")
        yield f"http://{found.group(1)}"
    finally:
        process.terminate()
        with limited(process):
            process.wait()
        process.stdout.close()
