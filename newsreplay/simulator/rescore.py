"""Run folders once more: scored again from the answers they keep, and verified by a second run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from newsreplay.errors import RunError
from newsreplay.simulator.judgement.scoring import Answers, score, scored
from newsreplay.simulator.replay.slates import Drops
from newsreplay.simulator.run import measure_publisher
from newsreplay.simulator.runs.columns import count, read_scores, read_slates, write_verdict
from newsreplay.simulator.runs.folder import data_of, info_of, options_of
from newsreplay.simulator.runs.pair import Judged
from newsreplay.simulator.runs.paths import pair_files, publisher_files
from newsreplay.simulator.runs.write import files_of, publisher_facts, remove_reports, write_json, write_results

Progress = Callable[[str, int, int], None]


def rescore(
    folder: str | Path,
    *,
    data: Any = None,
    progress: Progress = lambda what, done, of: None,
    **changes: Any,
) -> None:
    """Judge and measure the answers that a run folder keeps once more, in place; nothing is replayed.

    `changes` are `warmup`, `window`, `max_session_length` and `cluster` of `Options`; what is not named stays. The
    data are looked for where they lay; `data` names them otherwise, as for `run`. Raises `RunError` where the
    folder keeps no answers, or the data are not those of the run.
    """
    folder = Path(folder)
    info = info_of(folder)
    before = options_of(info)
    if before.strict_deadline:
        raise RunError(f"{folder} does not keep which answers were late; run it again with other options")
    if not before.slates:
        raise RunError(f"{folder} keeps no answers (--no-slates); run it again")
    options = replace(before, **changes)
    dataset = data_of(info, folder, data)
    pairs = [pair for pair in info["pairs"] if pair["status"] == "done"]
    for pair in pairs:  # while the folder is still what it was
        path = pair_files(folder, pair["publisher"], pair["recommender"]).slates
        if count(path) != len(dataset.publisher(pair["publisher"]).requests.row):
            raise RunError(f"{path} does not hold answers to this log")
    (folder / "unfinished").write_text("scoring has not ended; do it again: newsreplay score\n")
    remove_reports(folder)
    done = 0
    results, facts = [], []
    for name in (facts["publisher"] for facts in info["publishers"]):
        publisher = dataset.publisher(name)
        of = scored(publisher, options)
        publisher_files(folder, name).shown.unlink(missing_ok=True)  # not written where no impression is scored
        judged = []
        for pair in (pair for pair in pairs if pair["publisher"] == name):
            files = pair_files(folder, name, pair["recommender"])
            answers = Answers(read_slates(files.slates, publisher, options.k), read_scores(files.scores, publisher))
            verdict = score(publisher, of, answers)
            files.rankings.unlink(missing_ok=True)
            write_verdict(files, verdict)
            pair |= files_of(files, folder)
            if not files.rankings.exists():
                pair.pop("rankings", None)
            judged.append(
                Judged(
                    publisher=name,
                    recommender=pair["recommender"],
                    tally=verdict.tally,
                    hits=verdict.tally.hits,
                    error=None,
                    details=None,
                    drops=Drops(0, 0),
                    seconds=0.0,
                    rows=0,
                    state_bytes=None,
                    times=None,
                    learning=None,
                    foresees=pair.get("foresees", False),
                )
            )
            done += 1
            progress("scoring", done, len(pairs))
        results += measure_publisher(folder, publisher, of, judged, options)
        facts.append(publisher_facts(dataset, name, of, judged))
    write_results(folder, results)
    changed = {name: getattr(options, name) for name in changes}
    again = {"options": info["options"] | changed, "publishers": facts, "rescored": info["rescored"] | changed}
    write_json(folder / "run.json", info | again)
    (folder / "unfinished").unlink()
