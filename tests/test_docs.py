"""The documents say what is: tests, commands, links and figures they name exist."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

import click
import pytest
from click.testing import CliRunner

from keelmark.book.headroom import headroom, headroom_table
from keelmark.book.universe import Universe
from keelmark.engine.adl.continuous import CONTINUOUS
from keelmark.engine.adl.policies import DELEVERAGE
from keelmark.engine.invariants import LAWS
from keelmark.engine.losses import LOSS
from keelmark.engine.reduce.order import ORDER
from keelmark.engine.reduce.prices import PRICE
from keelmark.engine.reduce.sizing import SIZING
from keelmark.lab.population import load_spec
from keelmark.rulebooks import load_rulebook
from tests.book.test_scales import PRESETS
from tests.test_repository import snippet_failure, snippets

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MODEL = (ROOT / "docs/model.md").read_text("utf-8")
FORMULA_COLUMNS = ["formula", "assumptions", "source", "tests", "not covered"]

TEST_NAME = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:keelmark|make) [a-z][^`]*)`")


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tables(text: str) -> Iterator[list[list[str]]]:
    """Yield the tables of a page as rows of cells, the heading first, without the rule below it."""
    rows: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("| "):
            rows.append([cell.strip() for cell in line.strip()[1:-1].split("|")])
        elif rows and not line.startswith("|"):
            yield [row for row in rows if not set("".join(row)) <= set("- ")]
            rows = []


def formula_rows() -> list[list[str]]:
    found = [rows for rows in tables(MODEL) if rows[0] == FORMULA_COLUMNS]
    return [row for rows in found for row in rows[1:]]


@cache
def definitions(file: str) -> frozenset[str]:
    """Return the names of the functions and classes a file defines."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def missing_tests(text: str) -> list[str]:
    return [
        f"{file}::{test}" if test else file
        for file, test in TEST_NAME.findall(text)
        if not (ROOT / file).is_file() or (test and test not in definitions(file))
    ]


def slugs(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made on the project's host."""
    titles = HEADING.findall(path.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(page.read_text("utf-8")):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        place = (page.parent / target).resolve() if target else page
        is_there = place.exists() and (not anchor or anchor in slugs(place))
        if not is_there:
            yield f"{page_name(page)}: {link}"


def command_lines(text: str) -> list[str]:
    """Return the commands a page shows, in blocks and in running text."""
    shown = [
        line.removeprefix("$ ").partition("  #")[0]
        for block in CONSOLE.findall(text)
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    named = dict.fromkeys(shown + INLINE.findall(text))
    return [line for line in named if re.match("keelmark|make", line)]


def documented_commands(program: str) -> list[tuple[str, str]]:
    return [
        (page_name(page), line)
        for page in PAGES
        for line in command_lines(page.read_text("utf-8"))
        if line.split()[0] == program
    ]


def recipes() -> set[str]:
    text = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


def wrong_command(line: str) -> str | None:
    """Return what is wrong with a `keelmark` command line, if anything."""
    command: click.Command = import_module("keelmark.cli").main
    context = click.Context(command)
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None and "account" in command.list_commands(context):
            found, words = command.get_command(context, "account"), ["account", *words]
        if found is None:
            return f"no command {words[0]}"
        command, words = found, words[1:]
    known = {name for row in command.get_params(context) for name in (*row.opts, "--help")}
    unknown = [word for word in words if word.startswith("--") and word.split("=")[0] not in known]
    return f"no option {', '.join(unknown)}" if unknown else None


def test_every_formula_names_a_source_and_tests() -> None:
    rows = formula_rows()
    assert len(rows) > 40
    assert [row[0] for row in rows if len(row) != len(FORMULA_COLUMNS)] == []
    assert [row[0] for row in rows if not row[2] or not TEST_NAME.search(row[3])] == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_test_a_page_names_exists(page: Path) -> None:
    assert missing_tests(page.read_text("utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_link_of_a_page_resolves(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_every_section_and_page_the_source_refers_to_exists() -> None:
    sections = set(HEADING.findall(MODEL))
    wrong: list[str] = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        text = path.read_text("utf-8")
        named = re.findall(r'docs/model\.md, "([^"]+)"', text)
        pages = re.findall(r"\bdocs/(?:decisions|derivations)/[\w-]+\.md", text)
        wrong += [f"{page_name(path)}: {title}" for title in named if title not in sections]
        wrong += [f"{page_name(path)}: {page}" for page in pages if not (ROOT / page).is_file()]
    assert wrong == []


def test_every_policy_a_rulebook_can_name_is_in_the_model() -> None:
    registries = (DELEVERAGE, LOSS, ORDER, PRICE, SIZING, CONTINUOUS)
    names = {name for registry in registries for name in registry}
    assert names
    assert {name for name in names if f"`{name}`" not in MODEL} == set()


def resolves(dotted: str) -> bool:
    """Whether a name of the package, as the model writes it, is a module or found in one."""
    try:
        resolve_name(f"keelmark.{dotted}")
    except (AttributeError, ImportError):
        return False
    return True


def test_every_name_of_the_package_that_the_model_uses_exists() -> None:
    names = set(re.findall(r"`((?:core|rulebooks|book|engine|market|lab)\.\w[\w.]*)`", MODEL))
    quantums = [rows for rows in tables(MODEL) if "rulebooks.formulas.dydx" in rows[0][1]]
    listed = [name for row in quantums[0][1:] for name in re.findall(r"`(\w+)`", row[1])]
    names |= {f"rulebooks.formulas.dydx.{name}" for name in listed}
    assert len(names) > 40
    assert sorted(name for name in names if not resolves(name)) == []
    assert not resolves("core.margin.no_such_name")


def test_the_invariants_of_the_model_are_those_that_are_checked() -> None:
    listed = [int(number) for number in re.findall(r"^\| INV-(\d\d) \|", MODEL, re.MULTILINE)]
    assert listed == [law.number for law in LAWS]
    named = {
        int(number)
        for path in (ROOT / "src").rglob("*.py")
        for number in re.findall(r"INV-(\d\d)", path.read_text("utf-8"))
    }
    assert named <= set(listed)


def test_the_headroom_table_is_the_one_the_book_computes() -> None:
    assert headroom_table(headroom(scale, mark) for scale, mark in PRESETS.values()) in MODEL


def test_every_decision_is_numbered_once_and_has_its_four_parts() -> None:
    files = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1))
    parts = (
        "**Context.**",
        "**Decision.**",
        "**Consequences.**",
        "**What would change our mind.**",
    )
    texts = {file.name: file.read_text("utf-8") for file in files}
    assert [n for n, text in texts.items() if [p for p in parts if p not in text]] == []
    assert [n for n, text in texts.items() if not text.startswith(f"# {n[:4]} ")] == []


@pytest.mark.parametrize(("page", "line"), documented_commands("make"))
def test_every_recipe_a_page_shows_exists(page: str, line: str) -> None:
    words = [word for word in line.split()[1:] if "=" not in word]
    assert set(words) <= recipes(), page


@pytest.mark.parametrize(("page", "line"), documented_commands("keelmark"))
def test_every_command_a_page_shows_exists(page: str, line: str) -> None:
    assert wrong_command(line) is None, page


def sessions(text: str) -> list[tuple[str, str]]:
    """Return each `keelmark` command of the console blocks with the output shown below it."""
    found: list[tuple[str, str]] = []
    for block in CONSOLE.findall(text):
        for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = shown.partition("\n")
            if line.startswith("keelmark ") and output.strip():
                found.append((line, output))
    return found


def printed(line: str) -> str:
    main = import_module("keelmark.cli").main
    return CliRunner().invoke(main, shlex.split(line)[1:]).stdout


def test_what_the_readme_shows_is_what_the_program_prints() -> None:
    found = sessions((ROOT / "README.md").read_text("utf-8"))
    assert len(found) > 1
    for line, output in found:
        assert printed(line).rstrip() == output.rstrip(), line


def test_the_exit_codes_of_the_guide_are_those_of_the_program() -> None:
    codes = import_module("keelmark.cli.exit_codes").ExitCode
    text = (ROOT / "docs/guide.md").read_text("utf-8")
    (rows,) = (rows for rows in tables(text) if rows[0] == ["code", "meaning"])
    assert [int(row[0]) for row in rows[1:]] == sorted(codes)


def test_the_examples_the_guide_shows_are_read() -> None:
    venue = load_rulebook(str(ROOT / "docs/examples/rulebook.toml"))
    assert Universe.build(venue.model).symbols == ("BTC-USDT", "ETH-USDT")
    assert load_spec(str(ROOT / "docs/examples/population.toml")).whale
    text = (ROOT / "docs/examples/account.json").read_text("utf-8")
    assert f"```json\n{text}```" in (ROOT / "docs/guide.md").read_text("utf-8")


@pytest.mark.slow
def test_every_python_snippet_of_the_guide_runs_as_shown() -> None:
    found = snippets((ROOT / "docs/guide.md").read_text("utf-8"))
    assert found
    failures = [snippet_failure(code, output) for code, output in found]
    assert [failure for failure in failures if failure is not None] == []


def test_the_checks_of_this_file_notice_what_is_not_there(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title\n[a](#a-title) [b](#b) [c](none.md) `tests/test_docs.py::nobody`\n")
    assert slugs(page) == {"a-title"}
    assert missing_tests(page.read_text("utf-8")) == ["tests/test_docs.py::nobody"]
    assert command_lines("```console\n$ make demo  # why\nout\n```\n`keelmark check a.json`") == [
        "make demo",
        "keelmark check a.json",
    ]
    assert wrong_command("keelmark no-such-command") == "no command no-such-command"
    assert wrong_command("keelmark check --no-such-option") == "no option --no-such-option"
    assert wrong_command("keelmark data no-such-command") == "no command no-such-command"
