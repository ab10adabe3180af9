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
    try:
        entities = json.loads(text or "null")
    except (ValueError, RecursionError):  # MIND's lists are copied without a look into their brackets
        return []
    if isinstance(entities, dict):
        entities = entities.get("title")
    entries = entities if isinstance(entities, list) else []
    names = [entry.get("WikidataId") if isinstance(entry, dict) else entry for entry in entries]
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and name))
