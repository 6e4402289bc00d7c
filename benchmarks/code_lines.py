"""Count lines of code, to compare two commits.

Counted are the lines of Python below assets/ and pipelines/ that hold code (no blank lines, comments or docstrings) and
all lines of the files below sql/.

    python benchmarks/code_lines.py [COMMIT ...]      without a commit: the working tree
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_lines(text: str) -> int:
    """The number of lines of a Python module that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines -= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return len(lines)


def texts(commit: str | None) -> Iterator[tuple[str, str]]:
    """Path and text of each file that counts, in a commit or in the working tree."""
    listing = (
        ["git", "ls-tree", "-r", "--name-only", commit] if commit else ["git", "ls-files", "-co", "--exclude-standard"]
    )
    for path in _git(*listing[1:], *(["--"] if commit is None else []), "assets", "pipelines", "sql").splitlines():
        if path.endswith((".py", ".sql")):
            yield path, _git("show", f"{commit}:{path}") if commit else (ROOT / path).read_text(encoding="utf-8")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Print one line per commit."""
    for commit in sys.argv[1:] or [None]:
        python = sql = 0
        for path, text in texts(commit):
            if path.endswith(".sql"):
                sql += len(text.splitlines())
            elif not path.startswith("sql/"):
                python += code_lines(text)
        print(f"{commit or 'working tree'}: Python {python:,}, SQL {sql:,}, together {python + sql:,}")


if __name__ == "__main__":
    main()
