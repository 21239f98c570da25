"""Docstrings as a reader sees them: summary and body without reST, numpydoc, Google or Markdown marks, and "See Also".

Marks say how to print, not what is meant, and they are dear: an encoder reads 128 tokens of a text, and
``:class:`~numpy.ndarray``` with its rulers and roles takes up to a third of them. Known weakness: regular
expressions, so nested or broken marks stay as they are; prompts and results of doctests stay on purpose.
"""

from __future__ import annotations

import re

_ROLE = re.compile(r":[A-Za-z][\w:+.-]{0,60}:`([^`]+)`")
_TRANSFORMERS_LINK = re.compile(r"\[`([^`\]]+)`\](?:\([^)\s]*\))?")
_MARKDOWN_LINK = re.compile(r"!?\[([^\]\n]+)\]\((?:https?:|\.|/|#)[^)\s]*\)")
_REST_LINK = re.compile(r"`([^`<>]+?)\s*<[^`<>]+>`__?")
_LITERAL = re.compile(r"(`{1,2})([^`\n]+)\1_{0,2}")
_BOLD = re.compile(r"\*\*(?=\S)([^*\n]+?)(?<=\S)\*\*")
_RULER = re.compile(r"^[ \t]*([=\-~^\"#+*_])\1{2,}[ \t]*$")
_DIRECTIVE = re.compile(r"^([ \t]*)\.\. ([A-Za-z][\w-]*)::[ \t]*(.*)$")
_TARGET = re.compile(r"^[ \t]*\.\. _[^:\n]+:.*$")
_FOOTNOTE = re.compile(r"^([ \t]*)\.\. (\[)")
# Directives about the printed page or the history of the code.
_SILENT = frozenset(
    {
        "autoclass",
        "autofunction",
        "autosummary",
        "code",
        "code-block",
        "currentmodule",
        "deprecated",
        "doctest",
        "figure",
        "highlight",
        "image",
        "index",
        "ipython",
        "jupyter-execute",
        "math",
        "module",
        "parsed-literal",
        "plot",
        "raw",
        "role",
        "rubric",
        "sourcecode",
        "toctree",
        "versionadded",
        "versionchanged",
    }
)
_MARKS = re.compile(r"[`*\[~^#]|\.\. |::|---|===|___|\"\"\"|\+\+\+")  # nothing else in here does without one of these
_FENCE = re.compile(r"^[ \t]*```.*$")

_SECTION_WORDS = (
    "args|arguments|attributes|example|examples|keyword args|keyword arguments|kwargs|methods|note|notes|"
    "other parameters|parameters|params|raises|references|return|returns|see also|shape|todo|usage|"
    "warning|warnings|warns|yield|yields"
)
_SECTION = re.compile(
    rf"^[ \t]*(?:(?:{_SECTION_WORDS})\s*:{{1,2}}\s*$|[:@](?:param|return|rtype|type|raise|arg|keyword|yield)|>>> |"
    r"[-*+] |\d+[.)] |\.\. |```|\|)",
    re.IGNORECASE,
)
_NUMPY_SECTION = re.compile(rf"^[ \t]*(?:{_SECTION_WORDS})[ \t]*$", re.IGNORECASE)
_PARAMETER = re.compile(r"^\*{0,2}\w+ ?(\(.*\)|: ?.*)?:\s*(\S.*)?$|^\w+ : ")
_CALL = re.compile(r"^(?:[\w.]+\s*=\s*)?[A-Za-z_][\w.]*\([^()]*(?:\([^()]*\)[^()]*)*\)\s*(?:->.*|=.*)?$")
_CODE = re.compile(r"^\S+\s*::?=|^\S+ = |^[\w.]+\([^)]*$")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'`(\[*]?[A-Z0-9])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|al|fig|eq|no|dr|st|approx|resp|ref)|\b[A-Z])\.$", re.IGNORECASE
)

_LEAD = re.compile(r"^See Also[ \t]*(?::[ \t]*)?\n[ \t]*[-=~]{3,}[ \t]*\n", re.IGNORECASE | re.MULTILINE)
_ENTRY = re.compile(r"^(?P<names>[^\s:](?:[^:]|:\w+:`)*?)(?:\s*:\s+(?P<about>.*)|\s*:)?$")
_SEEALSO = re.compile(r"^[ \t]*\.\. seealso::[ \t]*(.*(?:\n(?:[ \t]+\S.*|[ \t]*))*)", re.MULTILINE)
_NAME = re.compile(r"^[A-Za-z_][\w.]*$")
_MOST_LINKS = 20
_LONGEST_LINE = 2000  # marks are looked for in the square of a line


def plain_text(docstring: str) -> str:
    """Return the docstring without marks, line by line."""
    kept: list[str] = []
    for line in docstring.split("\n"):
        if not _MARKS.search(line):
            kept.append(line)
            continue
        if _RULER.match(line) or _TARGET.match(line) or _FENCE.match(line):
            continue
        directive = _DIRECTIVE.match(line)
        if directive:
            indent, name, rest = directive.groups()
            if name.lower() in _SILENT:
                continue
            line = f"{indent}{name.capitalize()}: {rest}".rstrip()
        kept.append(_plain_line(_FOOTNOTE.sub(r"\1\2", line)))
    return "\n".join(kept)


def _plain_line(line: str) -> str:
    if len(line) > _LONGEST_LINE or line.lstrip().startswith((">>>", "...")):
        return line
    line = _ROLE.sub(lambda match: _target(match[1]), line)
    line = _TRANSFORMERS_LINK.sub(lambda match: _target(match[1]), line)
    line = _REST_LINK.sub(r"\1", _MARKDOWN_LINK.sub(r"\1", line))
    line = _BOLD.sub(r"\1", _LITERAL.sub(r"\2", line))
    return re.sub(r"::\s*$", ":", line)


def _target(inner: str) -> str:
    """Return what a reST role shows: its title, or its target, of which a leading ~ leaves the last name."""
    shown = re.sub(r"\s*<[^<>]*>$", "", inner) or inner
    return shown.rpartition(".")[2] if shown.startswith("~") else shown.lstrip("!")


def split_summary(docstring: str) -> tuple[str, str]:
    """Return summary and body, both without marks; the summary is empty where the docstring begins with none.

    The summary is the first sentence of the first paragraph. A signature before it is left out; a list, a section, a
    parameter or code in its place is no summary.
    """
    lines = plain_text(docstring).strip("\n").split("\n")
    while lines and (not lines[0].strip() or _CALL.match(lines[0].strip())):
        lines.pop(0)
    paragraph: list[str] = []
    for line in lines:
        if not line.strip() or _SECTION.match(line) or _NUMPY_SECTION.match(line):
            break
        if paragraph and _is_parameter(line.strip()):
            break
        paragraph.append(line.strip())
    if not paragraph or _is_parameter(paragraph[0]) or _CODE.match(paragraph[0]):
        return "", "\n".join(lines)
    sentence, remainder = _first_sentence(" ".join(paragraph))
    rest = lines[len(paragraph) :]
    return sentence, "\n".join([remainder, *rest] if remainder else rest).strip("\n")


def _is_parameter(line: str) -> bool:
    return len(line) <= _LONGEST_LINE and _PARAMETER.match(line) is not None


def _first_sentence(paragraph: str) -> tuple[str, str]:
    for match in _SENTENCE_END.finditer(paragraph, 0, 10 * _LONGEST_LINE):
        first = paragraph[: match.start()]
        if not _ABBREVIATION.search(first[-20:]) and len(first.split()) > 1:
            return paragraph[: match.end()].rstrip(), paragraph[match.end() :]
    return paragraph, ""


def see_also(docstring: str) -> list[tuple[str, str]]:
    """Return the names that a docstring sends its reader to, each with what it says about them ("" = nothing).

    Understands the numpydoc section and the ``seealso`` directive.
    Source: numpydoc's format guide, section "See Also".
    """
    found: dict[str, str] = {}
    lead = _LEAD.search(docstring)
    if lead:
        for names, about in _entries(docstring[lead.end() :].split("\n")):
            for name in names:
                found.setdefault(name, about)
    for block in _SEEALSO.findall(docstring):
        for inner in _ROLE.findall(block):
            name = _link_name(inner)
            if name:
                found.setdefault(name, "")
    return list(found.items())[:_MOST_LINKS]


def _entries(lines: list[str]) -> list[tuple[list[str], str]]:
    """Return names and description of the entries up to the next section."""
    entries: list[tuple[list[str], str]] = []
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        body = line[margin:]
        if _RULER.match(below) or _RULER.match(line) or body.startswith(".. "):
            break
        if body[:1].isspace():
            if entries and body.strip():
                names, about = entries[-1]
                entries[-1] = names, f"{about} {body.strip()}".strip()
            continue
        if len(body) > _LONGEST_LINE:
            continue
        match = _ENTRY.match(_ROLE.sub(lambda role: _link_name(role[1]), body.strip()))
        if match:
            names = [_link_name(name) for name in match["names"].split(",")]
            if all(names):
                entries.append((names, (match["about"] or "").strip()))
            elif [name for name in names if name]:
                entries.append(([name for name in names if name], ""))
    return [(names, _plain_line(about)) for names, about in entries]


def _link_name(text: str) -> str:
    """Return a dotted name, or nothing when the text is none."""
    name = re.sub(r"^.*<([^<>]+)>$", r"\1", text.strip()).strip("`~! ").removesuffix("()")
    return name if _NAME.match(name) else ""
