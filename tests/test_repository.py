"""The repository keeps its own rules."""

import ast
import doctest
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from scripts.numba_cache import cache_folder, compiled_sources

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PUBLIC_HOSTS = {"pypi.org", "files.pythonhosted.org"}
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 6
UNFINISHED = re.compile(
    r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError)\b|\b(?i:placeholder|for now|simplified)\b",
)
MACHINE_PATH = re.compile(r"(?<![\w.:/~-])/(?:home|Users|root|tmp|work)/")
HEAVY_MODULES = {"numpy", "numba", "polars", "pydantic", "scipy", "fastapi"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def matches(pattern: re.Pattern[str], path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
        if pattern.search(line):
            yield f"{name(path)}:{number}: {line.strip()}"


@cache
def functions(path: Path) -> tuple[Function, ...]:
    """Return the functions of a file, parsed once for every rule about them."""
    nodes = ast.walk(ast.parse(path.read_bytes()))
    return tuple(node for node in nodes if isinstance(node, Function))


def line_count(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def is_compiled(function: Function) -> bool:
    """Whether a function is a kernel: compiled, or inlined into one."""
    decorators = [ast.unparse(decorator) for decorator in function.decorator_list]
    return any("njit" in text or "inlined" in text for text in decorators)


def parameter_count(function: Function) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return sum(argument.arg not in {"self", "cls"} for argument in named)


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 our own interpreter and text
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_lock_file_names_public_addresses_only() -> None:
    text = (ROOT / "uv.lock").read_text("utf-8")
    hosts = set(re.findall(r"\w+://([^/\"\s]+)", text))
    assert hosts
    assert hosts <= PUBLIC_HOSTS


def test_the_lock_file_takes_nothing_from_a_path_but_the_project() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    local = {p["name"] for p in lock["package"] if "registry" not in p["source"]}
    assert local == {"keelmark"}


def test_every_place_that_names_python_versions_names_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    prefix = "Programming Language :: Python :: "
    told = [c.removeprefix(prefix) for c in project["classifiers"] if c.startswith(prefix)]
    first, last = told[0], told[-1]
    assert project["requires-python"] == f">={first}"
    bootstrap = (ROOT / "scripts/bootstrap.sh").read_text("utf-8")
    bounds = f"({first.replace('.', ', ')}) <= sys.version_info[:2] <= ({last.replace('.', ', ')})"
    assert bounds in bootstrap
    assert sorted(re.findall(r"python(3\.\d+)(?= |;)", bootstrap.partition("do\n")[0])) == told
    interpreters = (ROOT / "scripts/interpreters.sh").read_text("utf-8")
    assert f"for version in {' '.join(told)}; do" in interpreters
    for page in ("README.md", "CONTRIBUTING.md"):
        assert f"{first} to {last}" in (ROOT / page).read_text("utf-8"), page


def test_no_source_file_is_longer_than_the_budget() -> None:
    long = {name(path): path.read_bytes().count(b"\n") for path in SOURCES}
    assert {n: lines for n, lines in long.items() if lines > FILE_LINES_MAX} == {}


def test_no_function_is_longer_than_the_budget() -> None:
    assert [
        f"{name(path)}:{function.lineno} {function.name}: {line_count(function)} lines"
        for path in SOURCES
        for function in functions(path)
        if line_count(function) > FUNCTION_LINES_MAX
    ] == []


def test_no_function_outside_kernels_takes_more_than_six_parameters() -> None:
    assert [
        f"{name(path)}:{function.lineno} {function.name}: {parameter_count(function)} parameters"
        for path in SOURCES
        for function in functions(path)
        if not is_compiled(function) and parameter_count(function) > PARAMETERS_MAX
    ] == []


def test_nothing_in_the_source_is_left_for_later() -> None:
    assert [hit for path in SOURCES for hit in matches(UNFINISHED, path)] == []


def test_no_file_names_a_path_on_someones_machine() -> None:
    folders = ("src", "tests", "docs", "scripts", "benchmarks", "examples", ".ci", ".github")
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*"))]
    files += [path for path in sorted(ROOT.iterdir()) if path.suffix in {".md", ".toml", ".yaml"}]
    text = {".py", ".md", ".toml", ".sh", ".yml", ".yaml", ".json", ".html", ".js", ""}
    found = [
        hit
        for path in files
        if path.is_file() and path.suffix in text and "__pycache__" not in path.parts
        for hit in matches(MACHINE_PATH, path)
    ]
    assert found == []


def test_importing_keelmark_loads_nothing_heavy() -> None:
    done = run_python("import sys, keelmark; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "keelmark" in loaded
    assert loaded & HEAVY_MODULES == set()


def test_the_laboratory_is_a_name_of_the_package_and_its_names_exist() -> None:
    done = run_python(
        "import sys, keelmark as km\n"
        "assert 'keelmark.lab' not in sys.modules and 'lab' in dir(km)\n"
        "assert km.lab is sys.modules['keelmark.lab'] and 'numpy' not in sys.modules\n"
        "print(*[name for name in km.lab.__all__ if not hasattr(km.lab, name)])",
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_every_public_name_of_the_package_exists() -> None:
    done = run_python(
        "import keelmark as km; "
        "print(*[name for name in getattr(km, '__all__', ()) if not hasattr(km, name)])",
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


SNIPPET = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\s*^```text\n(?P<output>.*?)^```)?",
    re.MULTILINE | re.DOTALL,
)


def snippets(text: str) -> list[tuple[str, str | None]]:
    """Return each Python block with the output shown in a `text` block right after it, if any."""
    return [(found["code"], found["output"]) for found in SNIPPET.finditer(text)]


def readme_snippets() -> list[tuple[str, str | None]]:
    return snippets((ROOT / "README.md").read_text("utf-8"))


def snippet_failure(code: str, output: str | None) -> str | None:
    """Run a snippet by itself at the root of the repository; return what went wrong."""
    if ">>>" in code:
        report: list[str] = []
        example = doctest.DocTestParser().get_doctest(code, {}, "README", "README.md", 0)
        doctest.DocTestRunner().run(example, out=report.append)
        return "".join(report) or None
    done = run_python(code)
    if done.returncode != 0:
        return done.stderr
    if output is not None and done.stdout != output:
        return f"shown:\n{output}\nprinted:\n{done.stdout}"
    return None


@pytest.mark.skipif(not readme_snippets(), reason="README.md shows no Python yet")
def test_every_python_snippet_of_the_readme_runs_as_shown() -> None:
    failures = [snippet_failure(code, output) for code, output in readme_snippets()]
    assert [failure for failure in failures if failure is not None] == []


@pytest.mark.parametrize(
    ("text", "succeeds"),
    [
        ("```python\nprint(1 + 1)\n```\n\n```text\n2\n```\n", True),
        ("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n", False),
        ("```python\nprint(1 + 1)\n```\nand then\n\n```text\n3\n```\n", True),
        ("```python\nraise SystemExit(1)\n```\n", False),
        ("```python\n>>> 1 + 1\n2\n```\n", True),
        ("```python\n>>> 1 + 1\n3\n```\n", False),
    ],
    ids=["equal", "unequal", "apart", "error", "session", "wrong_session"],
)
def test_a_snippet_fails_when_it_does_not_do_what_is_shown(text: str, *, succeeds: bool) -> None:
    ((code, output),) = snippets(text)
    assert (snippet_failure(code, output) is None) is succeeds


def test_a_kernel_cache_is_left_behind_when_a_file_the_kernel_imports_changes(
    tmp_path: Path,
) -> None:
    package = tmp_path / "keelmark"
    package.mkdir()
    (package / "kernel.py").write_text("from keelmark import constants\n# njit\n")
    (package / "constants.py").write_text("LIMIT = 1\n")
    (package / "page.py").write_text("TITLE = 'a'\n")
    before = cache_folder(tmp_path)
    assert {path.name for path in compiled_sources(tmp_path)} == {"kernel.py", "constants.py"}
    (package / "page.py").write_text("TITLE = 'b'\n")
    assert cache_folder(tmp_path) == before
    (package / "constants.py").write_text("LIMIT = 2\n")
    assert cache_folder(tmp_path) != before


def test_the_glossary_defines_each_term_once() -> None:
    text = (ROOT / "docs/glossary.md").read_text("utf-8")
    terms = [term for term in re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE) if term != "term"]
    defined = [term for term in terms if not term.startswith("---")]
    assert "margin unit" in defined
    assert sorted({term for term in defined if defined.count(term) > 1}) == []
