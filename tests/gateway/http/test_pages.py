"""The pages: they load nothing from elsewhere, and every file that they name is there."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

import pumice.gateway.http
from pumice import __version__

PAGES = Path(pumice.gateway.http.__file__).parent / "pages"
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_browser_gets_a_page(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers=HTML)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!doctype html>")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_what_a_page_names_is_there(client: httpx.Client, path: str) -> None:
    page = client.get(path, headers=HTML).text
    named = set(re.findall(r'(?:href|src)="([^"]+)"', page))
    assert named
    for name in named:
        assert not name.startswith(("/", "http")), "relative, so that a prefix in front of the server does no harm"
        assert client.get(f"/{name.removeprefix('./')}").status_code == 200, name


def test_what_a_script_imports_is_there(client: httpx.Client) -> None:
    for script in PAGES.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', script.read_text(encoding="utf-8")):
            answer = client.get(f"/assets/{name}")
            assert answer.headers["content-type"].startswith("text/javascript"), name


def test_nothing_comes_from_elsewhere() -> None:
    for file in PAGES.iterdir():
        text = file.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?://|//[a-z]+\.|@import|\burl\(", text), file.name


def test_both_languages_say_everything() -> None:
    script = (PAGES / "common.js").read_text(encoding="utf-8")
    english, chinese = (
        re.findall(r"(?:^|[{,]\s*)(\w+): [\"(]", block, re.MULTILINE)
        for block in re.findall(r"^  (?:en|zh): {\n(.*?)^  },", script, re.MULTILINE | re.DOTALL)
    )
    assert english == chinese
    assert len(english) > 20


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fapp.py", "%2e%2e", "index.html", "style.css%00"])
def test_only_assets_are_given_out(client: httpx.Client, name: str) -> None:
    assert client.get(f"/assets/{name}").status_code == 404


def test_a_script_gets_the_overview(client: httpx.Client, trouble: httpx.Client) -> None:
    told = client.get("/").json()
    assert (told["name"], told["version"], told["ready"]) == ("pumice", __version__, True)
    sentiment = next(model for model in told["models"] if model["name"] == "sentiment")
    assert sentiment["state"] == "READY"
    assert sentiment["task"] == "text-classification"
    assert sentiment["labels"] == ["negative", "positive"]
    assert sentiment["placement"] == {"provider": "cpu", "threads": 1}
    assert (sentiment["replicas_ready"], sentiment["replicas"]) == (1, 1)
    assert sentiment["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    for path in told["links"].values():
        assert client.get(path).status_code == 200
    loading = next(model for model in trouble.get("/").json()["models"] if model["name"] == "loading")
    assert loading["state"] == "LOADING"
    assert loading["inputs"] == []
