"""The guide lists every answer that is known and every variable that is read."""

from pathlib import Path

from keelmark.accounts.credentials import names_of
from keelmark.accounts.fetch_plans import PLANS
from keelmark.accounts.importers import payload_kinds

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "guide.md").read_text("utf-8")


def test_the_guide_lists_the_calls_to_save() -> None:
    rows = []
    for kind in sorted(payload_kinds(), key=lambda kind: kind.alias):
        parts = ", ".join(sorted(part.value for part in kind.parts)) or "what the others lack"
        rows.append(f"| `{kind.alias}` | {kind.call} | {parts} |")
    assert "\n".join(rows) in GUIDE


def test_the_guide_lists_the_variables_of_every_venue() -> None:
    rows = [
        f"| `{venue}` | {', '.join(f'`{names_of(venue, n)[0]}`' for n in plan.needs)} |"
        for venue, plan in PLANS.items()
    ]
    assert "\n".join(rows) in GUIDE
