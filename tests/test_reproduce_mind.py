"""The reproduction of MIND-small: what it runs, and its table beside the papers'."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import newsreplay
from newsreplay.api import Run
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.spec import parse_spec
from tests.scripts import script as load

script = load("reproduce_mind")


def tiny_mind(folder: Path) -> Path:
    """Ten impressions of four readers on each day from 9 to 15 November; the last is the dev file's."""
    tell = random.Random(3)

    def impressions(day: int) -> str:
        lines = ""
        for number in range(10):
            shown = tell.sample(range(1, 21), 5)
            pool = " ".join(f"N{item}-{int(place == 0)}" for place, item in enumerate(shown))
            history = "" if number == 3 else f"N{tell.randrange(1, 21)} N{30 + number}"
            lines += f"{day * 10 + number}\tU{number % 4}\t11/{day}/2019 {number + 1}:05:00 PM\t{history}\t{pool}\n"
        return lines

    news = "".join(
        f"N{n}\tnews\tnews{n % 3}\tTitle {n} of {n % 4}\tAbstract {n}\thttp://x/{n}\t[]\t[]\n" for n in range(1, 41)
    )
    for split, days in (("MINDsmall_train", range(9, 15)), ("MINDsmall_dev", (15,))):
        (folder / split).mkdir(parents=True)
        (folder / split / "behaviors.tsv").write_text("".join(map(impressions, days)))
        (folder / split / "news.tsv").write_text(news)
    return folder


def faked(results: list[Result], failed: dict[str, str] | None = None) -> SimpleNamespace:
    pairs = [{"recommender": result.recommender, "status": "ok", "error": None} for result in results]
    pairs += [{"recommender": name, "status": "failed", "error": error} for name, error in (failed or {}).items()]
    return SimpleNamespace(results=results, info={"pairs": pairs})


def test_specs_say_what_is_published_and_can_be_read_back() -> None:
    specs = script.specs(["nrms", "awrs"], "paper", "auto", Path("my glove.txt"), 3)
    assert list(specs) == ["nrms", "awrs"]
    assert dict(parse_spec(specs["awrs"]).parameters) == {
        "size": "paper",
        "update": None,
        "candidates": 0,
        "device": "auto",
        "words": "my glove.txt",
        "epochs": 3,
    }
    assert script.specs(["nrms"], "tiny", "cpu", None, None) == {
        "nrms": "nrms(size=tiny, update=None, candidates=0, device=cpu)"
    }


def test_some_are_run_over_a_language_model_in_place_of_word_vectors_and_some_have_no_size() -> None:
    assert script.specs(["nrms", "libfm"], "tiny", "cpu", Path("glove"), 3, "bert") == {
        "nrms": "nrms(size=tiny, update=None, candidates=0, device=cpu, words=glove, epochs=3)",
        "libfm": "libfm",
        **{
            model: f"{model}(size=tiny, update=None, candidates=0, device=cpu, plm=bert, epochs=3)"
            for model in ("nrms-bert", "miner", "manner-cr", "unbert", "amm")
        },
    }


def test_sentirec_takes_the_sentiments_of_its_paper() -> None:
    assert script.specs(["sentirec"], "tiny", "cpu", None, None) == {
        "sentirec": "sentirec(size=tiny, update=None, candidates=0, device=cpu, sentiment=vader)"
    }


def test_our_numbers_stand_above_those_of_the_papers() -> None:
    results = [
        Result("mind", spec, metric, value, value - 0.001, value + 0.003, 73_152)
        for spec in ("nrms(x=1)", "caum")
        for metric, value in (("auc", 0.6543), ("mrr", 0.3), ("mrr_first", 0.9), ("ndcg@5", 0.33), ("ndcg@10", 0.4))
    ]
    lines = script.table(faked(results), {"nrms": "nrms(x=1)", "caum": "caum"}).splitlines()
    assert re.split(r"\s{2,}", lines[0].strip()) == ["model", "where", "AUC", "MRR", "nDCG@5", "nDCG@10"]
    ours, crown, punr, *others = [re.split(r"\s{2,}", line.strip()) for line in lines[2:8]]
    assert ours[0] == "nrms"
    assert ours[2:] == ["65.43 ±0.20", "30.00 ±0.20", "33.00 ±0.20", "40.00 ±0.20"]
    assert crown == ["CROWN (2025), Table 4, mean of 5 runs", "66.23", "31.34", "34.53", "41.35"]
    assert punr == ["PUNR (2023), Table 1", "64.83", "30.01", "32.52", "38.92"]
    assert others[0][0] == "caum"
    assert others[1][1:] == others[2][1:] == ["–"] * 4
    below = "\n".join(lines[8:])
    assert "AWRS's own tables are left out: they pool the AUC" in below
    assert "impressions scored: 73,152" in below
    assert "THESE ARE NOT" not in below


def test_other_impressions_random_words_and_failures_are_told() -> None:
    results = [Result("mind", "nrms", "auc", 0.5, None, None, 10)]
    text = script.table(faked(results, {"awrs": "out of memory"}), {"nrms": "nrms", "awrs": "awrs"})
    assert "THESE ARE NOT MIND-small's 73,152" in text
    assert "without --glove word vectors start at random" in text
    assert "\nawrs: out of memory\n" in text
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    assert rows[2][2:] == ["50.00", "–", "–", "–"]
    assert rows[5][2:] == ["failed"] * 4
    told = script.table(faked(results), {"nrms": "nrms(words=glove.txt)"})
    assert "without --glove" not in told


def test_missing_files_are_named_with_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        script.main(["--mind", str(tmp_path / "nowhere")])
    assert f"newsreplay data fetch mind-small --to {tmp_path / 'nowhere'}" in str(left.value)
    assert "non-commercial research" in str(left.value)
    with pytest.raises(SystemExit) as left:
        script.main(["--mind", str(tiny_mind(tmp_path / "mind")), "--glove", str(tmp_path / "glove.txt")])
    assert f"there is no file {tmp_path / 'glove.txt'}" in str(left.value)
    assert "glove.840B.300d.zip" in str(left.value)


def test_the_dev_day_alone_is_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "specs", lambda *given: {"nrms": "popular"})
    script.main(["--mind", str(tiny_mind(tmp_path / "mind")), "--out", str(tmp_path / "run")])
    assert "impressions scored: 10\n" in capsys.readouterr().out
    kept = Run(tmp_path / "run").info
    assert kept["data"]["name"] == "mind"
    assert kept["options"]["warmup"] > 0


def test_a_model_that_there_is_not_is_said_without_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no recommender is called 'nrsm'"):
        script.main(["--mind", str(tiny_mind(tmp_path / "mind")), "--models", "nrsm"])


def test_models_learn_six_days_and_are_scored_on_the_dev_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mind = tiny_mind(tmp_path / "mind")
    out = tmp_path / "run"
    words = ["--mind", str(mind), "--models", "nrms,awrs", "--size", "tiny", "--device", "cpu", "--epochs", "1"]
    script.main([*words, "--out", str(out)])
    printed = capsys.readouterr().out
    assert "impressions scored: 10\n" in printed
    assert "failed" not in printed
    scores = {
        result.recommender: result.value for result in Run(out).results if result.metric == "auc" and result.n == 10
    }
    assert list(scores) == [
        f"{model}(size=tiny, update=None, candidates=0, device=cpu, epochs=1)" for model in ("nrms", "awrs")
    ]
    for value in scores.values():
        assert value is not None
        assert f"{100 * value:.2f}" in printed
    assert printed.count("±") == 1  # in the legend: of fewer than ten readers with a value there is no half width


@pytest.mark.slow
def test_neural_rows_are_the_same_bytes_one_by_one_and_in_processes(tmp_path: Path) -> None:
    data = tiny_mind(tmp_path / "mind")
    found = []
    for jobs in (1, 2):
        out = tmp_path / f"run{jobs}"
        newsreplay.run(
            f"mind:{data}",
            ["nrms(size=tiny, warmup=2d)", "caum(size=tiny, warmup=2d)"],
            seeds=(1,),
            jobs=jobs,
            out=out,
        )
        found.append({name: (out / name).read_bytes() for name in ("results.json",)})
        found[-1] |= {path.name: path.read_bytes() for path in sorted((out / "scores").rglob("*.arrow"))}
    assert len(found[0]) == 3
    assert found[0] == found[1]
    seeds = {pair["recommender"] for pair in json.loads((tmp_path / "run1" / "run.json").read_text())["pairs"]}
    assert seeds == {"nrms(size=tiny, warmup=2d, seed=1)", "caum(size=tiny, warmup=2d, seed=1)"}
