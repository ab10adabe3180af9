"""Names of recommenders: built-ins and aliases, entry points of installed packages, `module:Class`, files.

A package offers recommenders under a short name with an entry point:

    [project.entry-points."newsreplay.recommenders"]
    mine = "my_pkg.ranker:Mine"
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

from newsreplay.errors import SpecError, did_you_mean
from newsreplay.spec import Spec, Value, parse_spec, parse_specs

BUILT_IN = {
    "random": "newsreplay.recommenders.baselines.uniform:Uniform",
    "popular": "newsreplay.recommenders.baselines.popular:Popular",
    "recency": "newsreplay.recommenders.baselines.recency:Recency",
    "circular": "newsreplay.recommenders.baselines.circular:Circular",
    "sequences": "newsreplay.recommenders.baselines.sequences:Sequences",
    "content": "newsreplay.recommenders.baselines.content:Content",
    "minhash": "newsreplay.recommenders.baselines.minhash:Minhash",
    "trend": "newsreplay.recommenders.baselines.trend:Trend",
    **{
        name.lower(): f"newsreplay.recommenders.neural.recommenders:{name}"
        for name in ("NRMS", "NAML", "LSTUR", "TANR", "CAUM", "PPRec", "AWRS")
    },
    "logged": "newsreplay.recommenders.references.logged:Logged",
    "oracle": "newsreplay.recommenders.references.oracle:Oracle",
}
ALIASES = {
    "popularity": "popular",
    "circular_buffer": "circular",
    "collaborative": "minhash",
    "pp-rec": "pprec",
    "trends": "trend",
}
PRESETS = {
    # The rows of Table 2 of Kille & Lommatzsch (2019), in its order.
    "baselines": (
        *("random", "random(hours=6)", "random(hours=12)", "random(hours=24)", "random(hours=48)"),
        *("popular", "popular(hours=6)", "popular(hours=12)", "popular(hours=24)", "popular(hours=48)"),
        "recency",
        *("circular(size=100)", "circular(size=200)", "circular(size=500)", "circular(size=1000)"),
        *("sequences", "content", "minhash"),
        *("trend(hours=2)", "trend(hours=6)", "trend(hours=12)", "trend(hours=24)"),
    ),
    "neural": ("nrms", "naml", "lstur", "tanr", "caum", "pprec", "awrs"),
}
GROUP = "newsreplay.recommenders"
_NEURAL = ("torch", "safetensors")  # the extra that neural recommenders need


class Entry(NamedTuple):
    """A recommender on the start list: what it is called, and what to make it from."""

    label: str
    source: Spec | object  #: a spec, or somebody's own recommender, which is copied before every use

    def make(self) -> Any:
        """A fresh recommender. Raises `SpecError` for an unknown name or parameter."""
        if isinstance(self.source, Spec):
            return _make(self.source)
        try:
            return copy.deepcopy(self.source)
        except Exception as error:
            raise SpecError(
                f"{self.label} cannot be copied ({error}); every publisher gets a fresh copy: "
                "open files and connections in start()"
            ) from error


def start_list(recommenders: str | Iterable[str | Spec | object]) -> list[Entry]:
    """The entries that specs, presets and objects name, presets unfolded, in order.

    >>> [entry.label for entry in start_list("trend,circular:size=5")]
    ['trend', 'circular(size=5)']

    Raises `SpecError` where a name or parameter does not exist or one stands on the list twice.
    """
    one = isinstance(recommenders, str | Spec) or not isinstance(recommenders, Iterable)
    given = [recommenders] if one else recommenders
    entries = [entry for one in given for entry in _entries(one)]
    if not entries:
        raise SpecError("no recommender named; 'newsreplay recommenders' lists them")
    seen = set()
    for entry in entries:
        if entry.label in seen:
            raise SpecError(f"{entry.label} stands on the list twice; name it once")
        seen.add(entry.label)
        entry.make()
    return entries


def _entries(given: str | Spec | object) -> list[Entry]:
    if isinstance(given, str):
        return [entry for spec in parse_specs(given) for entry in _entries(spec)]
    if not isinstance(given, Spec):
        return [Entry(_shown(given), given)]
    if given.name in PRESETS and not given.parameters:
        return [Entry(text, parse_spec(text)) for text in PRESETS[given.name]]
    return [Entry(str(given), given)]


def _shown(recommender: object) -> str:
    """How somebody's own object stands on the leaderboard: its class with the parameters it kept.

    Parameters are those of its constructor that it has as attributes of the same name.
    """
    if inspect.isclass(recommender):
        raise SpecError(f"{recommender.__name__} is a class; pass an instance: {recommender.__name__}()")
    _check(recommender, repr(recommender))
    kept: list[tuple[str, Value]] = [
        (name, vars(recommender)[name])
        for name in inspect.signature(type(recommender)).parameters
        if name in getattr(recommender, "__dict__", {})
        and isinstance(vars(recommender)[name], int | float | bool | str | None)
    ]
    return str(Spec(type(recommender).__name__, tuple(kept)))


def _check(recommender: object, shown: str) -> None:
    if not callable(getattr(recommender, "recommend", None)):
        raise SpecError(f"{shown} is not a recommender: it has no recommend(request, k)")


def _make(spec: Spec) -> Any:
    factory = find(spec.name)
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        raise SpecError(f"{spec.name} is not a class of recommenders") from None
    known = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    for name, _ in spec.parameters:
        if name not in known:
            takes = f"It takes {', '.join(known)}." if known else "It takes none."
            raise SpecError(f"{spec.name} has no parameter {name!r}. {did_you_mean(name, known) or takes}")
    try:
        made = factory(**dict(spec.parameters))
    except SpecError as error:
        raise SpecError(f"{spec}: {error}") from None
    except Exception as error:
        raise SpecError(f"{spec} cannot be made: {type(error).__name__}: {error}") from error
    _check(made, str(spec))
    return made


def find(name: str) -> Any:
    """The class behind a name. Raises `SpecError` if there is none."""
    target = BUILT_IN.get(ALIASES.get(name, name)) or _plug_ins().get(name)
    if target is None and ":" not in name:
        names = [*BUILT_IN, *ALIASES, *PRESETS, *_plug_ins()]
        hint = did_you_mean(name, names) or f"There are {', '.join(BUILT_IN)}; or name your own as module:Class."
        raise SpecError(f"no recommender is called {name!r}. {hint}")
    module_name, class_name = (target or name).rsplit(":", 1)
    module = _load_file(module_name) if module_name.endswith(".py") else _load_module(module_name, name)
    if not hasattr(module, class_name):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise SpecError(f"{module_name} has no {class_name!r}. {did_you_mean(class_name, classes)}".rstrip())
    return getattr(module, class_name)


def _plug_ins() -> dict[str, str]:
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def _load_module(module_name: str, name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name in _NEURAL and module_name.startswith("newsreplay.recommenders.neural."):
            raise SpecError(
                f'{name} needs {error.name}, which is not installed: pip install "newsreplay[neural]"'
            ) from None
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise SpecError(
                f"{name}: there is no module {error.name!r} to import; is it installed, or its folder on PYTHONPATH?"
            ) from None
        raise SpecError(f"{name}: importing {module_name} failed: {error}") from error
    except Exception as error:
        raise SpecError(f"{name}: importing {module_name} failed: {type(error).__name__}: {error}") from error


def _load_file(file: str) -> Any:
    path = Path(file)
    if not path.is_file():
        raise SpecError(f"there is no file {file} (looked in {Path.cwd()})")
    # Data classes look their module up while they are made; the prefix keeps random.py from being `random`.
    spec = importlib.util.spec_from_file_location(f"newsreplay_file_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SpecError(f"{file} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def describe() -> list[tuple[str, str, str]]:
    """Name, parameters with defaults and first line of the docstring of every named recommender."""
    rows = []
    for name in [*BUILT_IN, *_plug_ins()]:
        try:
            factory = find(name)
        except SpecError as error:  # somebody's broken plug-in
            rows.append((name, "", str(error)))
            continue
        text = (inspect.getdoc(factory) or "").split("\n")[0]
        parameters = inspect.signature(factory).parameters.values()
        takes = (p.name if p.default in (p.empty, None) else f"{p.name}={p.default}" for p in parameters)
        rows.append((name, ", ".join(takes), text))
    return rows
