"""Draws the folders of the package and the imports between them: docs/architecture.svg.

    python scripts/make_docs.py

`ORDER` is the rule that tests/test_architecture.py checks: an import runs from a later name to an earlier one, never
the other way round. The picture is made from the same imports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PICTURE = Path("docs/architecture.svg")

#: What lies in each folder that has an order, from the ground up; files and folders alike.
ORDER: dict[str, tuple[str, ...]] = {
    "newsreplay": (
        *("escaping", "errors", "version", "machine", "locks", "files", "processes", "spec", "durations", "traces"),
        *("plug_ins",),
        *("log", "arrow", "kernels", "datasets", "recommenders", "neural", "simulator", "serving", "live"),
        *("testing", "report", "tracking", "api", "preload", "tuning", "commands", "cli", "__main__"),
    ),
    "newsreplay.datasets": (
        *("base", "checksums", "store", "readers", "reading", "messages", "sources", "preparing", "kept", "fetching"),
        *("remote", "sending", "find", "first_rows"),
    ),
    "newsreplay.recommenders": (
        "base",
        "protocols",
        "baselines",
        "bandits",
        "references",
        "neural",
        "services",
        "registry",
        "mixtures",
        "reranking",
        "lifetimes",
        "adapters",
        "factorisation",
    ),
    "newsreplay.recommenders.neural": (
        *("pretrained", "models", "cards", "articles", "stream", "learning", "weights", "looks", "options", "learned"),
        *("recommender", "recommenders"),
    ),
    "newsreplay.simulator": ("scratch", "replay", "judgement", "runs", "pairs", "there", "cluster", "workers", "run"),
    "newsreplay.report": ("headings", "slices", "misses", "facts", "contents", "tables", "pictures", "page"),
}


class Import(NamedTuple):
    """One module of the package imports another."""

    importer: str
    imported: str


def modules(package: Path) -> dict[str, Path]:
    """The modules of a package by their dotted names; a folder's `__init__` bears the folder's name."""
    names = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports(package: Path) -> list[Import]:
    """All imports between the modules of a package: at the top, inside functions and for type checkers alike."""
    names = modules(package)
    return sorted(
        {Import(name, target) for name, path in names.items() for target in _targets(path, names) if target != name}
    )


def _targets(path: Path, names: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module in names:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in names else node.module


def upward(arrow: Import) -> bool:
    """Whether an import breaks `ORDER` in the folder that both ends lie in."""
    ends = [name.split(".") for name in arrow]
    depth = next((i for i, (a, b) in enumerate(zip(*ends, strict=False)) if a != b), min(map(len, ends)))
    folder = ".".join(ends[0][:depth])
    if any(len(end) == depth for end in ends):  # a folder's own __init__: it may gather what lies in the folder
        return len(ends[1]) == depth and depth > 0
    order = ORDER.get(folder)
    if order is None or not {end[depth] for end in ends} <= set(order):
        return False
    return order.index(ends[1][depth]) > order.index(ends[0][depth])


def circles(arrows: list[Import]) -> list[list[str]]:
    """Groups of modules that import one another in a circle (strongly connected components of two or more)."""
    targets: dict[str, list[str]] = {}
    for importer, imported in arrows:
        targets.setdefault(importer, []).append(imported)
    reach = {name: _reachable(name, targets) for name in targets}
    groups = {frozenset(b for b in reach[a] if a in reach.get(b, ())) for a in targets if a in reach[a]}
    return sorted(sorted(group) for group in groups if group)


def _reachable(start: str, targets: dict[str, list[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(targets.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += targets.get(name, ())
    return seen


# --- the picture ----------------------------------------------------------------------------------------

#: What each box of the picture says beside its name.
MEANING = {
    "cli": "the command newsreplay, and its commands",
    "api": "what import newsreplay offers",
    "report": "tables, pictures, pages",
    "live": "topics, answers in shadow mode",
    "serving": "a recommender over HTTP",
    "simulator": "replay, judgement, run folders",
    "recommenders": "baselines, neural models, the registry",
    "datasets": "sources, preparing, downloads",
    "kernels": "compiling, shared structures",
    "log": "rows, articles, publishers",
    "ground": "errors, files, specs, durations",
}
_GROUND = ORDER["newsreplay"][: ORDER["newsreplay"].index("log")]
_BOX = {
    "commands": "cli",
    "__main__": "cli",
    "preload": "api",
    "tuning": "api",
    "tracking": "api",
    "testing": "api",
    "neural": "recommenders",
    "arrow": "log",
} | dict.fromkeys(_GROUND, "ground")
WIDTH, HEIGHT, GAP, LEFT = 460, 46, 22, 230  #: pixels


def documents() -> dict[Path, str]:
    """The generated files, by their paths in the repository."""
    return {PICTURE: picture(imports(ROOT / "newsreplay"))}


def picture(arrows: list[Import]) -> str:
    """The folders as an SVG, the highest on top, with an arrow for every folder that another one imports."""
    levels = list(MEANING)
    pairs = {(_box(a), _box(b)) for a, b in arrows if _box(a) and _box(b) and _box(a) != _box(b)}
    height = len(levels) * (HEIGHT + GAP) + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 2 * LEFT} {height}" font-family="sans-serif">',
        "<title>Imports between the folders of newsreplay run downwards</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>',
        f'<rect width="{WIDTH + 2 * LEFT}" height="{height}" fill="#fff"/>',
    ]
    for level, name in enumerate(levels):
        top = GAP + level * (HEIGHT + GAP)
        title = "errors · files · spec · …" if name == "ground" else name
        lines += [
            f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#eef3f8" stroke="#345"/>',
            f'<text x="{LEFT + 16}" y="{top + 28}" font-size="15" font-weight="bold">{escape(title)}</text>',
            f'<text x="{LEFT + WIDTH - 16}" y="{top + 28}" font-size="13" text-anchor="end" fill="#333">'
            f"{escape(MEANING[name])}</text>",
        ]
    arrows_by_level = [(levels.index(a), levels.index(b)) for a, b in _reduced(pairs)]
    beside = sorted(arrow for arrow in arrows_by_level if arrow[1] - arrow[0] > 1)
    lines += [_straight(*arrow) for arrow in arrows_by_level if arrow not in beside]
    lines += [_beside(*arrow, lane) for lane, arrow in enumerate(beside)]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _box(module: str) -> str:
    parts = module.split(".")
    if len(parts) < 2:  # the package itself hands out what api holds
        return ""
    return _BOX.get(parts[1], parts[1])


def _reduced(pairs: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs that no way over a third folder stands for."""
    targets: dict[str, list[str]] = {}
    for a, b in sorted(pairs):
        targets.setdefault(a, []).append(b)
    return [(a, b) for a, b in sorted(pairs) if not any(b in _reachable(c, targets) for c in targets[a] if c != b)]


def _straight(upper: int, lower: int) -> str:
    start, end = (GAP + level * (HEIGHT + GAP) for level in (upper, lower))
    return _path(f"M{LEFT + WIDTH // 2} {start + HEIGHT} V{end}")


def _beside(upper: int, lower: int, lane: int) -> str:
    """An arrow past other boxes, in a lane of its own."""
    start, end = (GAP + level * (HEIGHT + GAP) + HEIGHT // 2 for level in (upper, lower))
    return _path(f"M{LEFT} {start + 6} H{LEFT - 40 - 24 * lane} V{end - 6} H{LEFT}")


def _path(way: str) -> str:
    return f'<path d="{way}" fill="none" stroke="#555" stroke-width="1.4" marker-end="url(#tip)"/>'
