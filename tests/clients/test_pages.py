"""The pages in a real browser."""

import json
import re
import tempfile
import urllib.request

from programs import LIMIT, run

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    f"--timeout={LIMIT * 1000 // 2}",
]


def chat(router, text):
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode()
    request = urllib.request.Request(
        f"{router}/v1/chat/completions", data=body, headers={"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=LIMIT).read()


def rendered(url):
    with tempfile.TemporaryDirectory() as profile:
        return run(["chromium", *FLAGS, f"--user-data-dir={profile}", "--dump-dom", url])


def test_the_overview_shows_what_usage_says(router):
    for text in ("hi", "thanks", "谢谢"):
        chat(router, text)
    usage = None
    html = rendered(f"{router}/dashboard")
    usage = json.load(urllib.request.urlopen(f"{router}/usage", timeout=LIMIT))
    shown = re.search(r'id="requests">([^<]*)<', html).group(1).replace("\u202f", "")
    assert int(shown) == usage["total"]["requests"] >= 3
    assert "<rect" in html and "<svg" in html


def test_the_overview_in_chinese(router):
    html = rendered(f"{router}/dashboard?lang=zh&range=30d")
    assert "总览" in html and "每天" in html


def test_the_documentation_page_lists_the_operations(router):
    html = rendered(f"{router}/docs")
    assert "/v1/chat/completions" in html and "operation-tag-content" in html
