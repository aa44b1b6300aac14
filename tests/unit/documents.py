"""The project's documents as the tests of them read them: tables, sections, code, links.

Markdown as far as it is used here: `#` headings, tables with pipes, fenced blocks, code spans.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BETWEEN_CELLS = re.compile(r"(?<=\s)\|(?=\s)")
_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Document:
    """One Markdown file, or a section of it."""

    path: Path
    text: str

    def section(self, heading: str) -> "Document":
        """What is below `heading`, up to the next heading of its level or above."""
        lines = self.text.splitlines(keepends=True)
        start = next(n for n, line in enumerate(lines) if re.match(rf"#+ {heading}$", line))
        level = len(lines[start]) - len(lines[start].lstrip("#"))
        end = next(
            (n for n in range(start + 1, len(lines)) if re.match(rf"#{{1,{level}}} ", lines[n])),
            len(lines),
        )
        return Document(self.path, "".join(lines[start:end]))

    def rows(self, first: str) -> list[dict[str, str]]:
        """The rows of every table whose first column is headed `first`, by heading."""
        found: list[dict[str, str]] = []
        head: list[str] | None = None
        for line in self.text.splitlines():
            if not line.startswith("|"):
                head = None
                continue
            cells = [cell.strip() for cell in _BETWEEN_CELLS.split(line.strip()[1:-1])]
            if head is None:
                head = cells
            elif head[0] == first and not set(line) <= set("|- "):
                found.append(dict(zip(head, [*cells, *[""] * len(head)], strict=False)))
        return found

    def column(self, first: str, heading: str | None = None) -> dict[str, str]:
        """One column of those tables, by the code spans of the first one."""
        return {
            name: row[heading or first] for row in self.rows(first) for name in spans(row[first])
        }

    def blocks(self, language: str) -> list[str]:
        """The fenced blocks of a language."""
        return [body for name, body in _FENCE.findall(self.text) if name == language]

    @property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def code(self) -> Iterator[str]:
        """Every code span, and every command of a console block."""
        yield from spans(self.prose)
        for block in self.blocks("console"):
            yield from (line[2:] for line in block.splitlines() if line.startswith("$ "))

    @property
    def anchors(self) -> set[str]:
        """What links to this document may have after `#`."""
        headings = re.findall(r"^#+ (.*)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}

    @property
    def links(self) -> list[str]:
        """The targets of its links."""
        return re.findall(r"\]\(([^)\s]+)\)", self.prose)


def document(name: str) -> Document:
    """A document by its path from the root."""
    return Document(ROOT / name, (ROOT / name).read_text(encoding="utf-8"))


def spans(text: str) -> list[str]:
    """The code spans in a text."""
    return _SPAN.findall(text)


def calls(*names: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call in `mprism` of a function or method with one of these names, with the name."""
    for path in sorted((ROOT / "mprism").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                function = node.func
                name = function.attr if isinstance(function, ast.Attribute) else None
                name = function.id if isinstance(function, ast.Name) else name
                if name in names:
                    yield name, node


def options_of(command: click.Command) -> list[str]:
    """All options of a command, `--help` among them."""
    parameters = command.get_params(click.Context(command))
    return [option for each in parameters for option in (*each.opts, *each.secondary_opts)]
