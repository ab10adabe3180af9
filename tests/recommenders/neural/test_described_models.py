"""Models whose titles are followed by descriptions of categories: in the stream, blind, and without them as ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.built_ins import BUILT_IN
from newsreplay.recommenders.neural import recommenders
from newsreplay.recommenders.neural.recommender import Neural
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log, with_facts
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed
from newsreplay.simulator.runs.origin import file_digests, named_files

LOG, ARTICLES = made_up_log(1_500, seed=3)
TOLD = with_facts(ARTICLES, len(LOG.time))
MODELS = {"nrms": "NRMS", "naml": "NAML", "sentirec": "SentiRec", "nrms-im": "NRMSIM", "nrms-bert": "NRMSBERT"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of most categories and some subcategories of the log, and of one that it does not have."""
    path = tmp_path_factory.mktemp("described") / "descriptions.tsv"
    names = [*(f"section {number}" for number in range(6)), "part 1", "part 4", "elsewhere"]
    path.write_text("".join(f"{name}\tword{place} word{place + 1} of {name}\n" for place, name in enumerate(names)))
    return path


def tiny(name: str = "nrms", **parameters: object) -> Neural:
    made: Neural = getattr(recommenders, MODELS[name])(size="tiny", update="every(hours=12)", **parameters)
    return made


def answered(recommender: Neural) -> Replayed:
    return replay(LOG, recommender, Setting(k=5), articles=TOLD)


def same(one: Replayed, other: Replayed) -> bool:
    assert one.scores is not None
    assert other.scores is not None
    return one.slates.tobytes() == other.slates.tobytes() and one.scores.tobytes() == other.scores.tobytes()


def test_these_models_take_descriptions() -> None:
    takes = {name for name in BUILT_IN if "neural" in BUILT_IN[name].needs.split() and _takes(name)}
    assert takes == {*MODELS}


def _takes(name: str) -> bool:
    try:
        start_list(f"{name}(category_descriptions=nowhere.tsv)")
    except SpecError as error:
        return "there is no such file" in str(error)
    raise AssertionError(name)


@pytest.mark.parametrize("name", ["nrms", *(pytest.param(n, marks=pytest.mark.slow) for n in [*MODELS][1:])])
def test_overwriting_the_future_changes_no_bit_of_an_answer(name: str, file: Path) -> None:
    [entry] = start_list(f"{name}(size=tiny, update=every(hours=12), category_descriptions='{file}')")
    # At three cuts who reads a late text before the requests that wait passes with three of eight seeds.
    verdict = check_entry(entry, log=LOG, articles=TOLD, cuts=6, k=5, apart=False)
    assert verdict.finding is None, str(verdict.finding)


@pytest.mark.parametrize("name", ["nrms", "naml"])
def test_a_file_that_describes_no_category_of_the_log_changes_no_preference(name: str, tmp_path: Path) -> None:
    # The words of such a file are not learned; nothing stands behind a title; only the room for it is larger.
    path = tmp_path / "other.tsv"
    path.write_text("elsewhere\tword1 word2\n")
    ours, plain = answered(tiny(name, category_descriptions=str(path))), answered(tiny(name))
    assert ours.scores is not None
    assert plain.scores is not None
    assert np.allclose(ours.scores, plain.scores, rtol=1e-3, atol=1e-3, equal_nan=True)


def test_descriptions_change_what_is_learned(file: Path) -> None:
    assert not same(answered(tiny(category_descriptions=str(file))), answered(tiny()))


def test_notes_count_what_is_not_described_and_what_describes_nothing(file: Path) -> None:
    self_report = answered(tiny(category_descriptions=str(file))).self_report
    assert self_report is not None
    notes = [note for note in self_report.notes if "descriptions" in note]
    assert notes[0] == f"descriptions of categories stand behind titles, from {file}"
    assert f"articles have no category that {file} describes: nothing stands behind their titles" in notes[1]
    assert notes[2] == f"1 of 9 names in {file} are of no category of the log, such as 'elsewhere'"


def test_a_bad_line_is_told_before_anything_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "bad.tsv"
    path.write_text("sports\tTeams\nnews\n")
    with pytest.raises(SpecError, match=r"bad.tsv line 2 is 'news'"):
        start_list(f"nrms(category_descriptions='{path}')")


def test_models_without_it_say_so(file: Path) -> None:
    with pytest.raises(SpecError, match="no parameter 'category_descriptions'"):
        start_list(f"lstur(category_descriptions='{file}')")


def test_the_file_is_one_that_the_spec_names(file: Path) -> None:
    [entry] = start_list(f"nrms(size=tiny, category_descriptions='{file}')")
    digests = file_digests([entry])
    assert [*digests] == [entry.label]
    assert named_files(entry.source, installed=False) == [file]  # type: ignore[arg-type]
    before = digests[entry.label]
    text = file.read_text()
    file.write_text(text + "more\tand more\n")
    try:
        assert file_digests([entry])[entry.label] != before
    finally:
        file.write_text(text)


def test_weights_go_with_the_descriptions_that_they_were_trained_with(file: Path, tmp_path: Path) -> None:
    trained, plain = tiny(category_descriptions=str(file)), tiny()
    for made, name in ((trained, "with"), (plain, "without")):
        answered(made)
        made.save_weights(tmp_path / f"{name}.safetensors")
    weights = str(tmp_path / "with.safetensors")
    again = recommenders.NRMS(weights=weights, category_descriptions=str(file), update=None)
    assert answered(again).self_report is not None
    other = tmp_path / "other.tsv"
    other.write_text("section 1\tsomething else\n")
    for made, message in (
        (recommenders.NRMS(weights=weights), "trained with category_descriptions; name the same file"),
        (
            recommenders.NRMS(weights=weights, category_descriptions=str(other)),
            "trained with other category_descriptions than .*other.tsv; name the same file",
        ),
        (
            recommenders.NRMS(weights=str(tmp_path / "without.safetensors"), category_descriptions=str(file)),
            "trained without category_descriptions; leave category_descriptions out",
        ),
    ):
        with pytest.raises(NewsreplayError, match=message):
            answered(made)


def test_a_language_model_reads_titles_and_descriptions_as_one_text(bert: Path, file: Path) -> None:
    made = tiny("nrms-bert", plm=str(bert), category_descriptions=str(file))
    done = answered(made)
    assert done.self_report is not None
    assert made.learned is not None
    articles = made.learned.articles
    described = [slot for slot in range(1, articles.count + 1) if slot not in articles.undescribed]
    ids = articles.contents(np.array(described)).title
    marks = made.learned.vocabulary.marks  # type: ignore[union-attr]
    assert marks is not None
    assert ((ids == marks.begin).sum(1) == 1).all()
    assert ((ids == marks.end).sum(1) == 2).all()
