"""Answers as a person reads them: lines of text.  Pure."""

from collections.abc import Iterable, Iterator, Sequence

from ostiary_cli.terminal import one_line

from .can_i import Answer
from .compared import Change
from .diff import Difference
from .review import Finding
from .who_can import Row, Who

SIGNS = {"gains": "+", "loses": "-", "changes": "~"}
PLURAL = {"tool": "tools", "resource": "resources", "prompt": "prompts", "unknown": "methods"}


def of_who(found: Iterable[Who], what: str) -> Iterator[str]:
    notes: dict[str, None] = {}
    for who in found:
        way = f" through MCPGroup {who.via}" if who.via else ""
        yield f"{who.server}: {len(who.rows) or 'nobody'} may {what}{way}"
        if who.rows:
            yield from (f"  {line}" for line in table(_rows(who.rows)))
        for row in who.rows:
            yield from _footnotes(row)
        notes |= dict.fromkeys(who.notes)
    yield from notes


def _rows(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    yield ("SUBJECT", "POLICY", "RULE", "CONNECTS FROM", "IF")
    for it in rows:
        condition = " and ".join(text for text in (it.when, *it.over) if text)
        yield (
            it.subject,
            it.policy,
            it.rule,
            ", ".join(it.network) or "-",
            f"if {condition}" if condition else "-",
        )


def _footnotes(row: Row) -> Iterator[str]:
    for token in row.tokens:
        yield f"  {one_line(row.subject)} comes by MCPAccessToken {token}"
    if row.exceptions:
        listed = ", ".join(f"{shown} ({by})" for shown, by in row.refused)
        yield f"  {one_line(row.subject)} by {row.policy} {row.rule}, but not {one_line(listed)}"


def of_can(answers: Iterable[Answer], who: str, what: str) -> Iterator[str]:
    for it in answers:
        way = f" through MCPGroup {it.via}" if it.via else ""
        by = f"{it.policy} {it.rule}".strip()
        if not it.allowed:
            why = f"{it.reason}" + (f" by {by}" if by else "")
            yield f"no: {one_line(who)} may not {what} of {it.server}{way}: {why}"
            yield f"  {one_line(it.message)}."
            continue
        yield f"yes: {one_line(who)} may {what} of {it.server}{way}, by {by}"
        if it.conditions:
            yield f"  if {one_line(' or '.join(it.conditions))}"
        if it.network:
            yield f"  connecting from {', '.join(it.network)}"


def of_findings(found: Sequence[Finding]) -> Iterator[str]:
    for it in found:
        yield f"{it.severity.upper():6} {it.object}: {it.what}: {one_line(it.message)}"
        yield f"       instead: {one_line(it.instead)}"
    counted = [f"{sum(it.severity == word for it in found)} {word}" for word in ("high", "medium")]
    low = sum(it.severity == "low" for it in found)
    yield f"{len(found)} findings: {', '.join(counted)}, {low} low" if found else "No findings."


def of_difference(found: Difference) -> Iterator[str]:
    if found.is_none:
        yield "Nobody gains or loses anything."
        return
    for server in sorted({it.server for it in found.changes}):
        yield server
        for change in found.changes:
            if change.server == server:
                yield f"  {SIGNS[change.direction]} {_change(change)}"
    for doors in found.network:
        for sign, places in (("+", doors.opened), ("-", doors.closed)):
            yield from (f"{doors.server} network {sign} from {place}" for place in places)
    yield from (f"undecided: {one_line(it)}" for it in found.undecided)


def _change(it: Change) -> str:
    what = f"{PLURAL[it.kind]} {', '.join(it.names)}"
    if it.kind == "unknown":
        what = "methods that the proxy does not know"
    before, after = (" and ".join(texts) or "always" for texts in (it.before, it.after))
    conditions = f" ({before} -> {after})" if it.direction == "changes" or it.before else ""
    if it.direction != "changes" and it.after:
        conditions = f" (if {after})"
    return one_line(f"{it.subject} {it.direction} {what}{conditions}")


def table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    listed = [tuple(one_line(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in listed) for column in range(len(listed[0]))]
    for row in listed:
        yield "   ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
