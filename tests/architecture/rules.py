"""The house rules that a formatter cannot know, each a function from a source to its complaints.

A complaint is "line: what is wrong", fit to be read by whoever broke the rule. Nothing here looks
at the disk, so the tests feed the same functions the real sources and bad samples.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

FILE_LINES_MAX = 500      # past 400 a file wants a second noun
FUNCTION_LINES_MAX = 60   # a screen

NAMES_THAT_MEAN_NOTHING = frozenset({
    "base", "common", "core", "helper", "helpers", "kit", "lib", "manager", "managers", "misc",
    "shared", "stuff", "tools", "util", "utils",
})

VERBS_THAT_MEAN_NOTHING = ("do", "handle", "manage", "process")

MAY_CATCH_EVERYTHING = frozenset({
    "src/hakika/api/errors.py", "src/hakika/cli/main.py", "src/hakika/worker/app.py",
})

MAY_ASK_THE_CLOCK = frozenset({
    "src/hakika/services/runtime.py", "src/hakika_simulator/clock.py",
})

MAY_PRINT = ("src/hakika/cli/", "src/hakika_simulator/__main__.py")

EVERYTHING = frozenset({"Exception", "BaseException"})

CLOCKS = frozenset({
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
})


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the root of the repository, and its text."""

    path: PurePosixPath
    text: str

    @property
    def tree(self) -> ast.Module:
        """The parsed text."""
        return ast.parse(self.text)


Rule = Callable[[Source], Iterator[str]]


def file_is_short(source: Source) -> Iterator[str]:
    """A file has at most 500 lines."""
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{lines}: the file has {lines} lines, more than {FILE_LINES_MAX}; find a second noun"


def functions_fit_a_screen(source: Source) -> Iterator[str]:
    """A function has fewer than 60 lines."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno
            if lines >= FUNCTION_LINES_MAX:
                yield f"{node.lineno}: {node.name} is {lines} lines long"


def names_mean_something(source: Source) -> Iterator[str]:
    """No file or folder is named for having no name, and no service for doing anything at all."""
    for part in (*source.path.parent.parts, source.path.stem):
        if part.strip("_").lower() in NAMES_THAT_MEAN_NOTHING:
            yield f'1: "{part}" names nothing; what is the noun?'
    if "services" not in source.path.parts:
        return
    for node in _public(source.tree):
        if node.name.split("_")[0] in VERBS_THAT_MEAN_NOTHING:
            yield f"{node.lineno}: {node.name} does not say what it does"


def catches_are_narrow(source: Source) -> Iterator[str]:
    """Only the worker's loop, the API's error door and the command line catch everything.

    To tidy up and raise again is no catching: a handler that ends in a bare `raise` may.
    """
    if str(source.path) in MAY_CATCH_EVERYTHING:
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.ExceptHandler(body=[*_, ast.Raise(exc=None)]):
                continue
            case ast.ExceptHandler(type=None):
                yield f"{node.lineno}: catches everything"
            case ast.ExceptHandler(type=caught) if caught and _names(caught) & EVERYTHING:
                yield f"{node.lineno}: catches everything"
            case ast.Call(func=suppress, args=caught) if _dotted(suppress).endswith("suppress"):
                if any(_names(each) & EVERYTHING for each in caught):
                    yield f"{node.lineno}: suppresses everything"


def clock_is_asked_in_one_place(source: Source) -> Iterator[str]:
    """`now` is an argument; only the runtime (and the simulator's clock) may ask for it."""
    if str(source.path) in MAY_ASK_THE_CLOCK:
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute() if ".".join(_dotted(node).split(".")[-2:]) in CLOCKS:
                yield f"{node.lineno}: {_dotted(node)} asks the clock; take `now` as an argument"
            case ast.ImportFrom(module="time", names=names):
                for name in names:
                    if f"time.{name.name}" in CLOCKS:
                        yield f"{node.lineno}: imports time.{name.name}"


def only_the_command_line_prints(source: Source) -> Iterator[str]:
    """`print` is for the command line."""
    if str(source.path).startswith(MAY_PRINT):
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Name(id="print")):
                yield f"{node.lineno}: prints; log it, or return it"


def everything_public_is_explained(source: Source) -> Iterator[str]:
    """A module, and each public class, function and method in it, has a docstring.

    A property is read like an attribute, and may be as plain as one.
    """
    tree = source.tree
    if not ast.get_docstring(tree):
        yield "1: the module has no docstring"
    for node in _public(tree):
        if not ast.get_docstring(node):
            yield f"{node.lineno}: {node.name} has no docstring"
        if isinstance(node, ast.ClassDef):
            for method in _public(node):
                if not ast.get_docstring(method) and not _is_explained_elsewhere(method):
                    yield f"{method.lineno}: {node.name}.{method.name} has no docstring"


def todos_have_a_number(source: Source) -> Iterator[str]:
    """A TODO names its issue, as in TODO(#12)."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and re.search(r"\bTODO\b(?!\s*\(?#\d+)", token.string):
            yield f"{token.start[0]}: a TODO without an issue number"


def _public(
    tree: ast.Module | ast.ClassDef,
) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the public classes and functions that stand directly in `tree`."""
    for node in tree.body:
        kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node


def _is_explained_elsewhere(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether it is a property, or the lesser half of a pair such as an overload."""
    words = {_dotted(decorator).split(".")[-1] for decorator in node.decorator_list}
    return bool(words & {"overload", "override", "property", "setter", "deleter"})


def _names(expression: ast.expr) -> set[str]:
    """Return the last words of the names in `a`, `x.a` or `(a, x.b)`."""
    parts = expression.elts if isinstance(expression, ast.Tuple) else [expression]
    return {_dotted(part).split(".")[-1] for part in parts}


def _dotted(expression: ast.expr) -> str:
    """Return `a.b.c` as text, and nothing for what is no plain name."""
    match expression:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value)}.{name}"
        case ast.Call(func=function):
            return _dotted(function)
        case _:
            return ""


# What holds for the product, and the part of it that holds for tests and tools too.
RULES_EVERYWHERE: tuple[Rule, ...] = (
    file_is_short, functions_fit_a_screen, names_mean_something, todos_have_a_number,
)
RULES_OF_SRC: tuple[Rule, ...] = (
    *RULES_EVERYWHERE, catches_are_narrow, clock_is_asked_in_one_place,
    only_the_command_line_prints, everything_public_is_explained,
)

# Written in halves, so that this file does not break its own rule.
FORBIDDEN_TEXT: dict[str, re.Pattern[str]] = {
    "a path of one machine": re.compile(
        r"(?<![\w.])/(?:" r"work/(?:main|shared)|ro" r"ot/|opt/py" r"pi|Use" r"rs/\w|ho" r"me/\w+/)"
    ),
    "the address of a package registry": re.compile(
        r"py" r"pi\.(?:org|python)|python" r"hosted\.org|registry\.np" r"mjs|np" r"mjs\.(?:org|com)"
        r"|deb\.deb" r"ian\.org|proxy\.go" r"lang\.org",
        re.IGNORECASE,
    ),
    "where packages are fetched": re.compile(
        r"^\s*--(?:(?:extra-)?index-url|find-links)", re.MULTILINE
    ),
}


def text_is_fit_to_publish(text: str) -> Iterator[str]:
    """No file says what is true of one machine only, or where packages come from."""
    for what, pattern in FORBIDDEN_TEXT.items():
        for found in pattern.finditer(text):
            yield f"{text.count(chr(10), 0, found.start()) + 1}: {what}: {found.group().strip()}"


def missing_words(words: list[str], text: str) -> list[str]:
    """Return which of `words` are not in `text` as code, between backquotes."""
    return [word for word in words if f"`{word}`" not in text]
