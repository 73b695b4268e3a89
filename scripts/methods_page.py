"""Writes docs/methods.md: published figures of the risk methods beside ours.

`python -m scripts.methods_page`; the figures are those of `tests/risk/published_methods.py`.
"""

from pathlib import Path

from tests.risk.published_methods import Group, groups

PAGE = Path(__file__).resolve().parents[1] / "docs" / "methods.md"
HEAD = """# Published figures of the risk methods

What the literature prints for the methods of `keelmark.risk`, beside what the public functions
give. This page is written by `python -m scripts.methods_page`; a test holds every row to the
tolerance stated with it, and another fails when the page is old. A difference is ours less theirs.
Formulas, assumptions and limits are in [model.md](model.md); forecasts on real markets in
[backtests.md](backtests.md).
"""


def page() -> str:
    """Return the whole page."""
    found = tuple(groups())
    rows = sum(len(group.rows) for group in found)
    count = f"{rows} figures in {len(found)} groups, every one within its tolerance.\n"
    return "\n".join([HEAD, count, *(section(group) for group in found)])


def section(group: Group) -> str:
    """Return the section of a group."""
    lines = [f"## {group.title}", "", f"Source: {group.source}. Tolerance {group.tolerance:.3g}."]
    if group.note:
        lines += ["", group.note]
    lines += ["", "| figure | published | ours | difference |", "| --- | --- | --- | --- |"]
    for name, published, ours in group.rows:
        lines.append(f"| {name} | {published:.10g} | {ours:.7g} | {difference(published, ours)} |")
    return "\n".join([*lines, ""])


def difference(published: float, ours: float) -> str:
    """Return ours less theirs to two digits: more would change with a library's last bit."""
    gap = ours - published
    return "0" if abs(gap) <= 1e-13 * abs(published) else f"{gap:+.1e}"


def main() -> None:
    """Write the page."""
    before = PAGE.read_text("utf-8") if PAGE.is_file() else ""
    text = page()
    PAGE.write_text(text, "utf-8")
    print(f"{PAGE.name}: {'changed' if text != before else 'unchanged'}")


if __name__ == "__main__":
    main()
