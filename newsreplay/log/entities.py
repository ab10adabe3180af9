"""The entities of articles, as prepared data hold them: a JSON list, or MIND's lists of objects."""

from __future__ import annotations

import json


def entity_names(text: str | None) -> list[str]:
    """The entities of a title, as `newsreplay.datasets` hands them over: each once, in their order.

    MIND has objects, of which the Wikidata id is the name; EB-NeRD has names.

    >>> entity_names('{"title": [{"WikidataId": "Q64"}], "abstract": [{"WikidataId": "Q90"}]}')
    ['Q64']
    >>> entity_names('["Berlin", "Paris"]')
    ['Berlin', 'Paris']
    """
    return list(entity_forms(text))


def entity_forms(text: str | None) -> dict[str, list[str]]:
    """The forms in which each entity of a title occurs, by name."""
    try:
        entities = json.loads(text or "null")
    except (ValueError, RecursionError):  # MIND's lists are copied without a look into their brackets
        return {}
    if isinstance(entities, dict):
        entities = entities.get("title")
    found: dict[str, list[str]] = {}
    for entry in entities if isinstance(entities, list) else []:
        is_object = isinstance(entry, dict)
        name = entry.get("WikidataId") if is_object else entry
        forms = entry.get("SurfaceForms") if is_object else [entry]
        if isinstance(name, str) and name:
            some = found.setdefault(name, [])
            some += [form for form in forms if isinstance(form, str)] if isinstance(forms, list) else []
    return found
