"""The front end is small, whole and alone: no build, nothing from elsewhere, licences kept."""

import re
from pathlib import Path

import pytest

from keelmark.service import dashboard

FOLDER = Path(dashboard.__file__).parent
FILES = sorted(
    path
    for path in FOLDER.rglob("*")
    if path.suffix in {".html", ".js", ".css", ".svg"} and path.is_file()
)
OURS = [path for path in FILES if "vendor" not in path.parts]
BYTES_MAX = 100_000
IMPORT = re.compile(r'from "(\./[^"]+)"')
ELSEWHERE = re.compile(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)
XML_NAMESPACE = "http://www.w3.org/2000/svg"


def test_the_whole_front_end_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in FILES}
    assert len(sizes) > 20
    assert sum(sizes.values()) < BYTES_MAX, sizes


def test_what_is_vendored_keeps_its_licences() -> None:
    texts = {path.name: path.read_text() for path in (FOLDER / "vendor").glob("*.txt")}
    assert "The MIT License (MIT)" in texts["preact.LICENSE.txt"]
    assert "Jason Miller" in texts["preact.LICENSE.txt"]
    assert "Apache License" in texts["htm.LICENSE.txt"]


def test_every_module_a_module_asks_for_is_there() -> None:
    for path in OURS:
        for name in IMPORT.findall(path.read_text()):
            assert (path.parent / name).is_file(), f"{path.name} asks for {name}"


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_nothing_is_asked_of_elsewhere_and_nothing_is_inline(path: Path) -> None:
    text = path.read_text().replace(XML_NAMESPACE, "")
    assert not ELSEWHERE.search(text)
    for forbidden in ("eval(", "new Function", "innerHTML", "dangerouslySet", "style=", "@import"):
        assert forbidden not in text
    if path.suffix == ".html":
        assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=", text)


def test_the_page_never_keeps_a_key() -> None:
    for path in OURS:
        text = path.read_text()
        assert "localStorage" not in text
        assert "sessionStorage" not in text
        assert "document.cookie" not in text
