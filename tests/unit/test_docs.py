"""The documents hold together: links, tests, commands and modules that they name are there.

`tests/unit/test_docs_reference.py` and `tests/unit/test_docs_contract.py` compare the reference
pages with the code.
"""

import ast
import re

import pytest

from mprism.cli import main
from tests.unit.documents import DOCUMENTS, ROOT, Document, document, options_of, spans

EVERY_DOCUMENT = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
each_document = pytest.mark.parametrize("name", EVERY_DOCUMENT)


@each_document
def test_links_lead_somewhere(name: str) -> None:
    page = document(name)
    for link in page.links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), link
        if anchor:
            assert anchor in Document(target, target.read_text(encoding="utf-8")).anchors, link


@each_document
def test_tests_that_are_named_exist(name: str) -> None:
    for reference in re.findall(r"tests/[\w/.]*\w(?:::\w+)*", document(name).text):
        file, *names = reference.split("::")
        assert (ROOT / file).exists(), reference
        if names:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            defined = {
                node.name
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            }
            assert set(names) <= defined, reference


def test_every_promise_names_its_tests() -> None:
    rows = document("README.md").section("Promises").rows("promise")
    assert len(rows) >= 10
    for row in rows:
        assert spans(row["shown by"])
        assert all(re.fullmatch(r"tests/[\w/]+\.py::\w+", test) for test in spans(row["shown by"]))


@each_document
def test_commands_and_options_exist(name: str) -> None:
    known = {option for command in main.commands.values() for option in options_of(command)}
    for code in document(name).code:
        text = re.sub(r'^make (run|demo) ARGS="(.*)"$', r"mprism \1 \2", code)
        words = text.split()
        if match := re.match(r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?mprism (\w+)", text):
            command = main.commands[match[1]]
            used = {word for word in words if word.startswith("--")}
            assert used <= set(options_of(command)), text
        elif text.startswith("--"):
            assert words[0] in known, text


@each_document
def test_make_targets_exist(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    used = {match[1] for text in document(name).code if (match := re.match(r"make ([a-z]+)", text))}
    assert used <= targets


def test_the_layout_names_every_module() -> None:
    layout = document("docs/architecture.md").section("Layout").blocks("")[0]
    for folder in ("", "feeds", "nursery"):
        for path in (ROOT / "mprism" / folder).glob("*.py"):
            assert path.name in layout or path.stem == "__init__", path
    names = set(re.findall(r"\w+\.py", layout))
    assert names <= {path.name for path in (ROOT / "mprism").rglob("*.py")}


def test_decisions_are_short_dated_and_in_order() -> None:
    paths = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, path in enumerate(paths, 1):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith(f"# {number}. ")
        assert path.name.startswith(f"{number:04}-")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", lines[2])
        assert [line for line in lines if line.startswith("## ")] == [
            "## Context",
            "## Decision",
            "## Consequence",
        ]
        assert len(lines) < 40
