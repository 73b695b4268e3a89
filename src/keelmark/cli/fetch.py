"""`keelmark fetch`: an account read live, with keys that can only read."""

from pathlib import Path

import click

from keelmark.accounts.fetch import fetch_account, plan_of, save_answers, venues
from keelmark.cli.import_account import say
from keelmark.core.errors import InvalidInput


@click.command("fetch")
@click.argument("venue", required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Write the account document here.")
@click.option("--raw", type=click.Path(path_type=Path), help="Keep the answers in this folder.")
@click.option("--subaccount", type=click.IntRange(min=0), default=0, help="Which one (dydx).")
@click.option("--venues", "names", is_flag=True, help="List what can be read, and what it needs.")
def fetch(
    *,
    venue: str | None,
    out: Path | None,
    raw: Path | None,
    subaccount: int,
    names: bool,
) -> None:
    """Read your account at VENUE and write it as an account document.

    Keys come from the environment (KEELMARK_BYBIT_KEY, KEELMARK_BYBIT_SECRET, ...) or from the
    keyring, never from the command line. A read-only key is enough, and only calls that read are
    made.
    """
    if names:
        for name in venues():
            click.echo(f"{name:16} {', '.join(plan_of(name).needs).lower()}")
        return
    if venue is None or out is None:
        msg = "name the venue and the document: keelmark fetch VENUE --out account.json"
        raise click.UsageError(msg)
    _check_free(out, raw)
    fetched = fetch_account(venue, subaccount=subaccount)
    if raw is not None:
        save_answers(fetched.answers, raw)
        click.echo(f"kept {len(fetched.answers)} answers in {raw}")
    out.write_text(fetched.imported.text, encoding="utf-8")
    say(fetched.imported, out)


def _check_free(out: Path, raw: Path | None) -> None:
    """Refuse to write over anything, before the venue is asked."""
    if out.exists():
        msg = f"{out} exists already; remove it or choose another name"
        raise InvalidInput(msg)
    if raw is not None and raw.exists() and (not raw.is_dir() or any(raw.iterdir())):
        msg = f"{raw} is not an empty folder; choose another for the answers"
        raise InvalidInput(msg)
