"""In a browser the pictures are drawn without an error, and answer to keys and choices."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from keelmark.lab.report import ReplayReport, render
from tests.lab.report_example import example, quiet

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=3000",
    "--enable-logging=stderr",
    "--dump-dom",
)
PROBE = """
window.addEventListener("load", () => setTimeout(() => {
  const press = (id, key) =>
    document.getElementById(id).dispatchEvent(new KeyboardEvent("keydown", { key }));
  const pick = (name, value) =>
    document.querySelector(`input[name=${name}][value="${value}"]`)?.click();
  const notes = {};
  notes.first = document.getElementById("timeline-chart").getAttribute("aria-valuenow");
  press("timeline-chart", "Home");
  press("timeline-chart", "ArrowRight");
  notes.second = document.getElementById("timeline-chart").getAttribute("aria-valuenow");
  pick("line", "1");
  pick("zoom", "focus");
  const range = document.getElementById("map-move");
  range.value = "-0.2";
  range.dispatchEvent(new Event("input"));
  notes.answer = document.querySelector(".answer").textContent;
  pick("distance-by", "notional");
  document.querySelectorAll("details").forEach((details) => (details.open = true));
  const opener = document.querySelector(".opener");
  opener?.click();
  notes.opened = opener ? !document.getElementById("case-0").hidden : null;
  notes.closed = document.getElementById("case-1")?.hidden ?? null;
  const header = [...document.querySelectorAll("#cases thead button")][3];
  header?.click();
  const cells = "#cases > .scroll > table > tbody > tr:first-child > td:nth-child(4)";
  notes.sorted = [...document.querySelectorAll(cells)].map((cell) => Number(cell.dataset.sort));
  notes.cut = [...document.querySelectorAll("svg[role=img]")].flatMap((picture) => {
    const { width, height } = picture.viewBox.baseVal;
    const outside = ({ x, y, width: w, height: h }) =>
      x < -0.5 || y < -0.5 || x + w > width + 0.5 || y + h > height + 0.5;
    const texts = [...picture.querySelectorAll("text")].filter((text) => text.textContent);
    return texts.filter((text) => outside(text.getBBox())).map((text) => text.textContent);
  });
  document.documentElement.dataset.notes = JSON.stringify(notes);
}, 300));
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on the path to draw the page with"),
]


def drawn(report: ReplayReport, folder: Path, width: int = 1280) -> tuple[str, str]:
    """Return the page after its scripts and the probe ran, and what the browser logged."""
    size = f"--window-size={width},1000"
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", render(report))
    path = folder / "report.html"
    path.write_text(page.replace("</body>", f"<script>{PROBE}</script></body>"), encoding="utf-8")
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    done = subprocess.run(  # noqa: S603 our own page in a browser found on the path
        [
            str(BROWSER),
            *FLAGS,
            size,
            *sandbox,
            f"--user-data-dir={folder / 'profile'}",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout, done.stderr


def test_a_full_report_draws_and_answers(tmp_path: Path) -> None:
    page, log = drawn(example(), tmp_path)
    assert "Uncaught" not in log
    assert page.count('role="img"') == 4
    notes = re.search(r'data-notes="([^"]*)"', page)
    assert notes is not None
    said = notes[1].replace("&quot;", '"')
    assert '"second":"1"' in said
    assert '"opened":true,"closed":true' in said
    assert re.search(r'"answer":"If BTCUSDT falls 20\.0', said)
    sorted_values = re.search(r'"sorted":\[([^\]]*)\]', said)
    assert sorted_values is not None
    values = [float(text) for text in sorted_values[1].split(",")]
    assert len(values) == 25
    assert values == sorted(values, reverse=True)


def test_a_quiet_report_draws_too(tmp_path: Path) -> None:
    page, log = drawn(quiet(), tmp_path)
    assert "Uncaught" not in log
    assert "nothing was liquidated" in page
    assert page.count('role="img"') == 2


@pytest.mark.parametrize("width", [1280, 800, 500])
def test_no_label_of_a_picture_is_cut_off(tmp_path: Path, width: int) -> None:
    page, _ = drawn(example(), tmp_path, width)
    assert "convert collateral" in page
    assert "&quot;cut&quot;:[]" in page, re.search(r"&quot;cut&quot;:[^\]]*", page)
