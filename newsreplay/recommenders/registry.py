"""Names of recommenders: built-ins and aliases, entry points of installed packages, `module:Class`, files.

A package offers recommenders under a short name with an entry point:

    [project.entry-points."newsreplay.recommenders"]
    mine = "my_pkg.ranker:Mine"

A factory that takes what a nested spec names, `rerank(trend(hours=6))`, gets its text and makes it with `build_value`.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import re
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from newsreplay.datasets.remote.address import without_secrets
from newsreplay.errors import NewsreplayError, SpecError, did_you_mean
from newsreplay.plug_ins import PlugIns
from newsreplay.processes import OwnProcess
from newsreplay.recommenders.base import Resources
from newsreplay.recommenders.built_ins import ALIASES, BUILT_IN, PRESETS
from newsreplay.recommenders.records import PACKAGE
from newsreplay.spec import Spec, Value, parse_spec, parse_specs
from newsreplay.traces import one_line

#: Names that begin with a scheme stand for services: their class is made of what the name says.
_WEB = "services.web:HttpService"
SERVICES = {"http": _WEB, "https": _WEB, "stdin": "services.child:StdinService"}
MIXTURES = ("blend", "fallback", "lifetime", "mmr", "calibrated")  #: made of the recommenders that their values name
PLUG_INS = PlugIns(
    "newsreplay.recommenders", "recommender", lambda name: name in BUILT_IN or name in ALIASES or name in PRESETS
)
ESTIMATORS = ("river", "sklearn")  #: packages whose classes specs name; extras of the same names bring them
PATIENCE = 30.0  #: seconds in which a stranger's class should be made; one that takes longer is looked at in the run
_NEURAL = ("torch", "safetensors")  # the extra that neural recommenders need
_DOTTED = re.compile(r"\w+(?:\.\w+)+")
_ESTIMATOR = re.compile(rf"(?:{'|'.join(ESTIMATORS)})(?:\.\w+)+(?:\(.*\))?", re.DOTALL)


class Entry(NamedTuple):
    """A recommender on the start list: what it is called, and what to make it from."""

    label: str
    source: Spec | object  #: a spec, or somebody's own recommender, which is copied before every use
    name: str | None = None  #: what tables and pictures call it; None: its label

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


def start_list(recommenders: str | Iterable[str | Spec | Entry | object], apart: bool = False) -> list[Entry]:
    """The entries that specs, presets and objects name, presets unfolded, in order.

    >>> [entry.label for entry in start_list("trend,circular:size=5")]
    ['trend', 'circular(size=5)']

    Each is made once, to see whether it can be; `apart`: strangers' classes in processes of their own, none of them
    in this one. An `Entry` was made when it was listed.

    Raises `SpecError` where a name or parameter does not exist or one stands on the list twice.
    """
    one = isinstance(recommenders, str | Spec) or not isinstance(recommenders, Iterable)
    given = [recommenders] if one else list(recommenders)
    entries = [entry for one in given for entry in _entries(one)]
    if not entries:
        raise SpecError("no recommender named; 'newsreplay recommenders' lists them")
    seen = set()
    for entry in entries:
        if entry.label in seen:
            raise SpecError(f"{entry.label} stands on the list twice; name it once")
        seen.add(entry.label)
    listed = {entry.label for entry in given if isinstance(entry, Entry)}
    _make_all([entry for entry in entries if entry.label not in listed], apart)
    return entries


def _make_all(entries: list[Entry], apart: bool) -> None:
    strangers = [entry.source for entry in entries if isinstance(entry.source, Spec) and is_strange(entry.source)]
    complaints = dict(zip(map(str, strangers), _ask_apart(_complaint, strangers), strict=True)) if apart else {}
    for entry in entries:
        if entry.label not in complaints or not isinstance(entry.source, Spec):
            entry.make()
        elif text := complaints[entry.label]:
            raise SpecError(text)


def _complaint(spec: Spec) -> str:
    """Why a recommender cannot be made; "" where it can."""
    try:
        _make(spec)
    except SpecError as error:
        return str(error)
    return ""


def wants_seed(specs: list[Spec], apart: bool = False) -> list[bool]:
    """Which of these take a seed and are given none; `apart` as in `start_list`."""
    strangers = [spec for spec in specs if is_strange(spec)] if apart else []
    asked = dict(zip(map(str, strangers), _ask_apart(_wants_seed, strangers), strict=True))
    return [bool(asked[str(spec)]) if str(spec) in asked else _wants_seed(spec) for spec in specs]


def _wants_seed(spec: Spec) -> bool:
    signature = inspect.signature(find(spec.name))
    given = signature.bind(*spec.positional, **dict(spec.parameters)).arguments
    return "seed" in signature.parameters and "seed" not in given


def resources_of(entry: Entry) -> Resources:
    """What a recommender says that it takes of a machine. Raises `SpecError` where it is not a `Resources`."""
    resources = getattr(entry.make(), "resources", Resources())
    if not isinstance(resources, Resources):
        raise SpecError(f"{entry.label}: resources is {resources!r}; write newsreplay.recommenders.base.Resources")
    return resources


def is_strange(spec: Spec) -> bool:
    """Whether a spec's class is somebody else's, or a part of a mixture is; one that there is not is nobody's."""
    name = ALIASES.get(spec.name, spec.name)
    if name in MIXTURES:
        return any(is_strange(parse_spec(part)) for part in spec.positional if isinstance(part, str))
    return name not in BUILT_IN and (":" in name or name in PLUG_INS.names())


def built_in(spec: Spec) -> type | None:
    """The class of a recommender of newsreplay's own; None where it is somebody else's."""
    name = ALIASES.get(spec.name, spec.name)
    found: type | None = find(name) if name in BUILT_IN else None
    return found


_Told = TypeVar("_Told")


def _ask_apart(question: Callable[[Spec], _Told], specs: list[Spec]) -> list[_Told | None]:
    """A question's answer for each spec, asked in a process each; None where that ended or took too long."""
    asked = [OwnProcess(_answer, question, spec) for spec in specs]
    try:
        deadline = time.monotonic() + PATIENCE
        for process in asked:
            wait(process.handles(), max(0.0, deadline - time.monotonic()))
        told = [process.receive() for process in asked]
    finally:
        for process in asked:
            process.kill()
    return [messages[0] if messages else None for messages in told]  # type: ignore[misc]


def _answer(question: Callable[[Spec], _Told], spec: Spec, wire: Connection) -> None:
    with suppress(Exception):  # no complaint of newsreplay's: what it is, the run will tell
        wire.send(question(spec))


def _entries(given: str | Spec | Entry | object) -> list[Entry]:
    if isinstance(given, Entry):
        return [given]
    if isinstance(given, str):
        return [entry for spec in parse_specs(given) for entry in _entries(spec)]
    if not isinstance(given, Spec):
        return [Entry(_shown(given), given)]
    if given.name in PRESETS and not given.parameters:
        return [Entry(text, parse_spec(text)) for text in PRESETS[given.name]]
    return [Entry(str(_without_secrets(given)), given)]


def _shown(recommender: object) -> str:
    """How somebody's own object stands on the leaderboard: its class with the parameters it kept.

    Parameters are those of its constructor that it has as attributes of the same name.
    """
    if inspect.isclass(recommender):
        raise SpecError(f"{recommender.__name__} is a class; pass an instance: {recommender.__name__}()")
    try:
        _check(recommender, f"an object of class {type(recommender).__name__}")
        attributes = getattr(recommender, "__dict__", {})
        kept: list[tuple[str, Value]] = [
            (name, attributes[name])
            for name in inspect.signature(type(recommender)).parameters
            if name in attributes and isinstance(attributes[name], int | float | bool | str | None)
        ]
        name = type(recommender).__name__
        return name + Spec(name, tuple(kept)).values_text()
    except SpecError:
        raise
    except Exception as error:  # a stranger's class may raise wherever it is looked at
        raise SpecError(f"{type(recommender).__name__} cannot be looked at: {type(error).__name__}: {error}") from error


def _check(recommender: object, shown: str) -> None:
    if not callable(getattr(recommender, "recommend", None)):
        raise SpecError(f"{shown} is not a recommender: it has no recommend(request, k)")


def _make(spec: Spec) -> Any:
    shown = _without_secrets(spec)
    made = construct(find(spec.name), shown, spec.positional, dict(spec.parameters))
    _check(made, str(shown))
    return made


def _without_secrets(spec: Spec) -> Spec:
    """A spec in which the addresses are as they may be shown."""

    def shown(value: Value) -> Value:
        return without_secrets(value) if isinstance(value, str) else value

    parameters = tuple((name, shown(value)) for name, value in spec.parameters)
    return Spec(without_secrets(spec.name), parameters, tuple(map(shown, spec.positional)))


def construct(factory: Any, spec: Spec, positional: Iterable[object], parameters: dict[str, Any]) -> Any:
    """An object of a class with the values of a spec. Raises `SpecError`."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        raise SpecError(f"{spec.name} is not a class of recommenders or estimators") from None
    check_values(spec, signature)
    try:
        return factory(*positional, **parameters)
    except SpecError as error:
        raise SpecError(f"{spec}: {error}") from None
    except Exception as error:
        raise SpecError(f"{spec} cannot be made: {one_line(error)}") from error


def check_values(spec: Spec, signature: inspect.Signature) -> None:
    """Refuse values that a factory does not take, and lacks of those that it must have, naming what it takes."""
    parameters = signature.parameters.values()
    kinds = {parameter.kind for parameter in parameters}
    places = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes = f"It takes {', '.join(map(_declared, parameters))}." if parameters else "It takes none."
    if len(spec.positional) > len(places) and inspect.Parameter.VAR_POSITIONAL not in kinds:
        most = f"at most {len(places)} value{'s' * (len(places) > 1)}" if places else "no values"
        raise SpecError(f"{spec.name} takes {most} without a name, not {len(spec.positional)}. {takes}")
    given = places[: len(spec.positional)]
    for name, _ in spec.parameters:
        if name in given and name in known:
            raise SpecError(f"{spec} gives {name!r} twice, without its name and with it; give it once")
        if name not in known and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise SpecError(f"{spec.name} has no parameter {name!r}. {did_you_mean(name, known) or takes}")
    given += [name for name, _ in spec.parameters]
    for p in parameters:
        if p.name not in given and p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise SpecError(f"{spec} lacks {p.name!r}, which {spec.name} must be given. {takes}")


def _declared(parameter: inspect.Parameter) -> str:
    """A parameter of a signature as it is listed: its name, with stars where it stands for any number."""
    return str(parameter.replace(default=parameter.empty, annotation=parameter.empty))


def build_value(value: Value | Spec) -> Any:
    """What a nested spec names: a recommender, or an object of a class of river or scikit-learn by its dotted name.

    A factory calls it with the text that it was given for a value, `inner` of `rerank(inner=trend(hours=6))`. Inside
    `river.linear_model.LogisticRegression(optimizer=river.optim.SGD(0.1))` values that name such a class are made, too;
    other values stay as they are, lists as tuples. Nothing is evaluated.

    >>> build_value("trend(hours=12)").hours
    12

    Raises `SpecError` where there is no such recommender or class, or it cannot be made of these values.
    """
    if not isinstance(value, str | Spec):
        raise SpecError(f"{value!r} is no nested spec; write one by its name, trend(hours=6)")
    spec = value if isinstance(value, Spec) else parse_spec(value)
    if not _DOTTED.fullmatch(spec.name) or spec.name in PLUG_INS.names():
        return _make(spec)
    parameters = {name: _estimator_value(value) for name, value in spec.parameters}
    return construct(_estimator_class(spec.name), spec, map(_estimator_value, spec.positional), parameters)


def _estimator_value(value: Value) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_estimator_value, value))
    return build_value(value) if isinstance(value, str) and _ESTIMATOR.fullmatch(value) else value


def _estimator_class(name: str) -> type:
    package, *parts = name.split(".")
    module_name, class_name = name.rsplit(".", 1)
    if package not in ESTIMATORS:
        raise SpecError(
            f"{name}: classes have dotted names in {' and '.join(ESTIMATORS)} only; name a recommender of your own as "
            f"module:Class, {module_name}:{class_name}"
        )
    if any(part.startswith("_") for part in parts):
        raise SpecError(f"{name} is not public; name a class without leading underscores")
    module = _load_module(module_name, name)
    found = vars(module).get(class_name)
    # What a module has imported from elsewhere is not the package's.
    if not inspect.isclass(found) or found.__module__.split(".")[0] != package:
        classes = [key for key, value in vars(module).items() if inspect.isclass(value) and key[0] != "_"]
        hint = did_you_mean(class_name, classes)
        raise SpecError(f"{module_name} has no class {class_name!r}. {hint}".rstrip())
    return found


def find(name: str) -> Any:
    """The class behind a name; for a service, what makes one of it. Raises `SpecError` if there is none."""
    scheme, colon, rest = name.partition(":")
    if colon and scheme.lower() in SERVICES:
        module, class_name = SERVICES[scheme.lower()].split(":")
        service = getattr(_load_module(f"{PACKAGE}.{module}", name), class_name)
        return partial(service, rest if scheme.lower() == "stdin" else name)
    record = BUILT_IN.get(ALIASES.get(name, name))
    if record is not None:
        return load(f"{PACKAGE}.{record.target}", name)
    try:
        offer = PLUG_INS.find(name)
    except NewsreplayError as error:
        raise SpecError(f"{error}, or name the class as module:Class") from None
    if offer is not None:
        return load(offer.target, f"{name} (of the package {offer.package})")
    if name in PRESETS:
        raise SpecError(
            f"{name} is a preset, of {len(PRESETS[name])} recommenders; name one: {', '.join(PRESETS[name])}"
        )
    if ":" not in name:
        names = [*BUILT_IN, *ALIASES, *PRESETS, *PLUG_INS.names()]
        hint = did_you_mean(name, names) or f"There are {', '.join(BUILT_IN)}; or name your own as module:Class."
        raise SpecError(f"no recommender is called {name!r}. {hint}")
    if not name.rpartition(":")[2].isidentifier():
        scheme = name.split(":")[0]
        raise SpecError(
            f"no recommender is registered for {scheme!r} ({name}); name your own as module:Class or file.py:Class"
        )
    return load(name, name)


def load(target: str, name: str) -> Any:
    """The class or function that "module:Name" or "file.py:Name" names; errors call it `name`. Raises `SpecError`."""
    module_name, colon, class_name = target.rpartition(":")
    if not colon or not class_name.isidentifier():
        raise SpecError(f"{name}: {target!r} is no module:Class and no file.py:Class")
    module = _load_file(module_name) if module_name.endswith(".py") else _load_module(module_name, name)
    if not hasattr(module, class_name):
        there = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise SpecError(f"{module_name} has no {class_name!r}. {did_you_mean(class_name, there)}".rstrip())
    return getattr(module, class_name)


def _load_module(module_name: str, name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name in _NEURAL and module_name.startswith("newsreplay.recommenders.neural."):
            raise SpecError(
                f'{name} needs {error.name}, which is not installed: pip install "newsreplay[neural]"'
            ) from None
        if error.name in ESTIMATORS:
            raise SpecError(
                f'{name} needs {error.name}, which is not installed: pip install "newsreplay[{error.name}]"'
            ) from None
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise SpecError(
                f"{name}: there is no module {error.name!r} to import; is it installed, or its folder on PYTHONPATH?"
            ) from None
        raise SpecError(f"{name}: importing {module_name} failed: {error}") from error
    except Exception as error:
        raise SpecError(f"{name}: importing {module_name} failed: {one_line(error)}") from error


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
        raise SpecError(f"{file} cannot be loaded: {one_line(error)}") from error
    return module


def installed() -> list[tuple[str, str, str]]:
    """Name, package and, in a line, what it is of every recommender that installed packages offer.

    Each is looked at in a process of its own, so that a broken one costs a line and nothing else.
    """
    offers = [offer for offer in PLUG_INS.offers() if not PLUG_INS.is_own(offer.name)]
    told = _ask_apart(_first_line, [Spec(offer.name) for offer in offers])
    broken = "BROKEN: its process ended, or took too long"
    return [(offer.name, offer.package, text or broken) for offer, text in zip(offers, told, strict=True)]


def _first_line(spec: Spec) -> str:
    """The first line of what a recommender says of itself, or what is wrong with it."""
    try:
        factory = find(spec.name)
        if not callable(factory):
            raise SpecError(f"it is no class, but {factory!r:.80}")
    except SpecError as error:
        return f"BROKEN: {error}"
    return (inspect.getdoc(factory) or "(no docstring)").split("\n")[0]


def describe(names: Iterable[str] = BUILT_IN) -> list[tuple[str, str, str]]:
    """Name, parameters with defaults and first line of the docstring of these recommenders."""
    rows = []
    for name in names:
        try:
            factory = find(name)
            parameters = inspect.signature(factory).parameters.values()
        except (SpecError, TypeError, ValueError) as error:  # its extra is not installed, or it is no class
            rows.append((name, "", str(error)))
            continue
        text = (inspect.getdoc(factory) or "").split("\n")[0]
        takes = (_declared(p) + ("" if p.default in (p.empty, None) else f"={p.default}") for p in parameters)
        rows.append((name, ", ".join(takes), text))
    return rows
