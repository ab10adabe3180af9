"""The table of all models: what it runs, how it goes on, and what stands in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from newsreplay.api import Run
from newsreplay.recommenders.built_ins import PRESETS
from newsreplay.spec import parse_spec
from tests.scripts import script as load
from tests.test_reproduce_mind import tiny_mind

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def script() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)  # it reads what papers print from another script there
        return load("models_table")


@pytest.fixture
def mind(tmp_path: Path) -> Path:
    return tiny_mind(tmp_path / "mind") / "MINDsmall_train"


def rows_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_neural_models_have_the_options_and_the_others_none(script: object) -> None:
    made = script.specs(["trend", "libfm", "nrms", "sentirec"], "update=none, candidates=0")  # type: ignore[attr-defined]
    assert made["trend"] == "trend"
    assert made["libfm"] == "libfm"
    assert dict(parse_spec(made["nrms"]).parameters) == {"update": None, "candidates": 0}
    assert dict(parse_spec(made["sentirec"]).parameters) == {"update": None, "candidates": 0, "sentiment": "vader"}


def test_every_model_of_news_is_in_it(script: object) -> None:
    assert {*PRESETS["neural"], "libfm", "deepfm", "trend"} <= {*script.MODELS}  # type: ignore[attr-defined]


@pytest.mark.slow  # kernels of networks are compiled
def test_quality_cost_and_published_figures_stand_in_a_row_best_first(
    script: object, mind: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--mind", str(mind), "--out", str(tmp_path / "run"), "--rows", "150"]
    main = script.main  # type: ignore[attr-defined]
    main([*words, "--models", "random,popular,nrms", "--options", "size=tiny, warmup=2d, update=none, candidates=0"])
    text = capsys.readouterr().out
    assert "failed" not in text, text
    head, _, *body = rows_of(text)
    assert head[:5] == ["model", "AUC", "MRR", "nDCG@5", "nDCG@10"]
    assert head[5:] == ["train s", "update s", "answer ms", "processor s", "AUC, CROWN (2025)", "AUC, PUNR (2023)"]
    assert {cells[0] for cells in body} == {"`random`", "`popular`", "`nrms`"}
    aucs = [float(cells[1].split()[0]) for cells in body]
    assert aucs == sorted(aucs, reverse=True)
    [nrms] = [cells for cells in body if cells[0] == "`nrms`"]
    assert nrms[-2:] == ["66.23", "64.83"]
    assert float(nrms[5]) > 0  # it was trained
    assert all(re.fullmatch(r"\d+\.\d\d( ±\d+\.\d\d)?", cells[1]) for cells in body)
    run = Run(tmp_path / "run")
    for result in run.results:
        if result.metric == "mrr":
            [cells] = [cells for cells in body if cells[0] == f"`{parse_spec(result.recommender).name}`"]
            assert result.value is not None
            assert cells[2] == f"{100 * result.value:.2f}"
    assert "cannot be compared with ours" in text


@pytest.mark.slow  # likewise
def test_what_a_run_has_is_not_replayed_again_and_what_it_lacks_is(
    script: object, mind: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["--mind", str(mind), "--out", str(out), "--rows", "150"]
    main = script.main  # type: ignore[attr-defined]
    main([*words, "--models", "random"])
    [first] = Run(out).timing["pairs"]
    main([*words, "--models", "random,popular"])
    assert Run(out).timing["pairs"][0]["seconds"] == first["seconds"]
    assert [pair["recommender"] for pair in Run(out).info["pairs"]] == ["random", "popular"]
    before = (out / "run.json").stat().st_mtime_ns
    capsys.readouterr()
    main([*words, "--models", "popular"])
    assert (out / "run.json").stat().st_mtime_ns == before
    head, _, *body = rows_of(capsys.readouterr().out)
    assert [cells[0] for cells in body] == ["`popular`"]
    assert len(body[0]) == len(head) == 11


def test_other_rows_and_folders_without_data_are_refused(script: object, mind: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    main = script.main  # type: ignore[attr-defined]
    main(["--mind", str(mind), "--out", out, "--rows", "150", "--models", "random"])
    with pytest.raises(SystemExit, match="has other rows than the first 120; name another folder with --out"):
        main(["--mind", str(mind), "--out", out, "--rows", "120", "--models", "random"])
    with pytest.raises(SystemExit, match=r"holds no behaviors\.tsv"):
        main(["--mind", str(tmp_path), "--out", out])
    with pytest.raises(SystemExit, match="no recommender"):
        main(["--mind", str(mind), "--out", out, "--rows", "150", "--models", "nrmz"])
