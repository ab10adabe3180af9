"""How a title is wrapped on a news card, worked out from the end: which words fit, by trying."""

from __future__ import annotations

WIDE, LINES = 27, 3


def pieces(title: str) -> list[str]:
    """Words, longer ones in pieces of a line each."""
    out: list[str] = []
    for word in title.split():
        while len(word) > WIDE:
            out.append(word[:WIDE])
            word = word[WIDE:]
        out.append(word)
    return out


def first_line(words: list[str]) -> int:
    """How many words the first line takes: as many as fit, one at least."""
    return max([1, *(count for count in range(1, len(words) + 1) if len(" ".join(words[:count])) <= WIDE)])


def wrapped(title: str) -> list[str]:
    words, lines = pieces(title), []
    while words and len(lines) < LINES:
        count = first_line(words)
        lines.append(words[:count])
        words = words[count:]
    if words:  # some are left over
        last = lines[-1]
        fitting = [count for count in range(1, len(last) + 1) if len(" ".join(last[:count])) <= WIDE - 3]
        kept = " ".join(last[: max(fitting)]) if fitting else last[0][: WIDE - 3]
        return [*(" ".join(line) for line in lines[:-1]), kept + "..."]
    return [" ".join(line) for line in lines]
