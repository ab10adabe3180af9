"""What is handed in for a test split is what the run's scores say, read naively from the source; nothing is judged."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import newsreplay
from newsreplay import Recommender
from newsreplay.cli import main
from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.datasets.preparing.work import Processing
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.mind.plan import plan_mind
from newsreplay.errors import DataError, RunError
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.simulator.submission import submit
from tests.small_logs import Files, ebnerd, ebnerd_test, mind, mind_test


class ByHand(Recommender):
    """Scores that any reader of the source can work out, with many ties."""

    def start(self, catalog: object) -> None:
        self.catalog = catalog

    def recommend(self, request: object, k: int) -> list[int]:
        return []

    def score(self, request: object, candidates: list[int]) -> list[float]:
        return [by_hand(self.catalog.id(item)) for item in candidates]  # type: ignore[attr-defined]


class Broken(ByHand):
    """Fails on its first impression."""

    def score(self, request: object, candidates: list[int]) -> list[float]:
        raise ValueError("no")


def by_hand(item: str) -> float:
    return float(int(item.removeprefix("N")) % 3)


def written(folder: Path, files: Files) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def run(kind: str, folder: Path, *recommenders: object) -> RunFolder:
    return newsreplay.run(f"{kind}:{folder}", list(recommenders), out=folder / "run", k=3, warmup="0h")


def lines_in(archive: Path, member: str) -> list[str]:
    with zipfile.ZipFile(archive) as found:
        assert found.namelist() == [member]
        text = found.read(member).decode()
    assert text.endswith("\n")
    return text.splitlines()


def naive_line(number: str, shown: list[str]) -> str:
    """Of equal scores the earlier candidate is ranked first; the one of two equal articles, too."""
    best_first = sorted(range(len(shown)), key=lambda place: (-by_hand(shown[place]), place))
    return f"{number} [{','.join(str(best_first.index(place) + 1) for place in range(len(shown)))}]"


def mind_log() -> Files:
    """With a shuffled test split, and a candidate that is there twice."""
    files = mind_test()
    told = files["small_test/behaviors.tsv"].decode().splitlines()
    told[3] += " N7 N7 N1"
    files["small_test/behaviors.tsv"] = "".join(f"{line}\n" for line in told[::-1]).encode()
    return files


def mind_naively(folder: Path) -> list[str]:
    lines = (folder / "small_test" / "behaviors.tsv").read_text().splitlines()
    cells = [line.split("\t") for line in lines]
    return [naive_line(cell[0], cell[4].split(" ")) for cell in cells]


def ebnerd_naively(folder: Path) -> list[str]:
    table = pq.read_table(folder / "ebnerd_testset" / "test" / "behaviors.parquet")
    rows = table.select(["impression_id", "article_ids_inview"]).to_pylist()
    return [naive_line(str(row["impression_id"]), [str(item) for item in row["article_ids_inview"]]) for row in rows]


@pytest.mark.parametrize(
    ("kind", "files", "member", "naively"),
    [
        ("mind", mind_log, "prediction.txt", mind_naively),
        ("ebnerd", ebnerd_test, "predictions.txt", ebnerd_naively),
    ],
)
def test_the_file_has_a_line_per_impression_of_the_test_split_in_its_order(
    tmp_path: Path, kind: str, files: Callable[[], Files], member: str, naively: Callable[[Path], list[str]]
) -> None:
    folder = written(tmp_path, files())
    done = run(kind, folder, ByHand())
    made = submit(done.folder)
    expected = naively(folder)
    assert lines_in(made.path, member) == expected
    assert made.path == (folder / "run" / member).with_suffix(".zip")
    assert (made.impressions, made.rejected) == (len(expected), 0)
    assert len(expected) > len(set(expected)) or kind == "mind"  # EB-NeRD's ids need not differ


@pytest.mark.parametrize(("kind", "with_test", "without"), [("mind", mind_log, mind), ("ebnerd", ebnerd_test, ebnerd)])
def test_nothing_is_judged_on_the_test_split(
    tmp_path: Path, kind: str, with_test: Callable[[], Files], without: Callable[[], Files]
) -> None:
    results = []
    for name, files in (("with", with_test()), ("without", without())):
        done = run(kind, written(tmp_path / name, files), "popular", "recency")
        frame = done.to_pandas()
        assert not frame["n"].isna().any()
        results.append(frame)
    pd.testing.assert_frame_equal(*results)


def test_answers_to_the_test_split_are_kept_and_their_outcome_is_not_known(tmp_path: Path) -> None:
    done = run("mind", written(tmp_path, mind_log()), ByHand())
    scores = done.scores("mind", done.info["pairs"][0]["recommender"])
    assert scores["outcome_known"].tolist() == [True] * 40 + [False] * 20
    assert [len(row) for row in scores["scores"]] == [len(row) for row in scores["candidates"]]
    (facts,) = done.info["publishers"]
    assert (facts["impressions"], facts["impressions_without_outcome"]) == (60, 20)


def test_ids_and_order_do_not_depend_on_the_pieces_in_which_a_log_is_prepared(tmp_path: Path) -> None:
    folder = written(tmp_path / "log", mind_log())
    found = []
    for name, chunk, bucket in (("whole", 10**6, 10**6), ("pieces", 200, 7)):
        plan = plan_mind(folder, sizes=ReadSizes(chunk=chunk))
        made = prepare(plan, tmp_path / name, name=name, kind="mind", processing=Processing(bucket=bucket))
        found.append(made.withheld("mind"))
    assert found[0] is not None
    assert found[0].equals(found[1])
    assert found[0].column("id").to_pylist() == [line.split(" ")[0] for line in mind_naively(folder)]


def test_equal_answers_make_equal_files(tmp_path: Path) -> None:
    done = run("mind", written(tmp_path, mind_log()), ByHand())
    one, other = (submit(done.folder, out=tmp_path / name).path for name in ("one.zip", "other.zip"))
    assert one.read_bytes() == other.read_bytes()


def test_of_several_recommenders_one_is_to_be_named(tmp_path: Path) -> None:
    done = run("mind", written(tmp_path, mind_log()), "popular", "recency")
    with pytest.raises(RunError, match="several recommenders; name one with --recommender: popular, recency"):
        submit(done.folder)
    with pytest.raises(RunError, match=r"has no recommender 'trend'; it has popular, recency"):
        submit(done.folder, recommender="trend")
    assert submit(done.folder, recommender="recency").recommender == "recency"


def test_a_run_without_a_test_split_has_nothing_to_hand_in(tmp_path: Path) -> None:
    done = run("mind", written(tmp_path, mind()), "popular")
    with pytest.raises(RunError, match=r"no impressions whose clicks are withheld.*prepare the folder of the test"):
        submit(done.folder)


def test_data_of_another_kind_have_no_competition(tmp_path: Path) -> None:
    done = newsreplay.run("demo", ["popular"], out=tmp_path / "run")
    with pytest.raises(RunError, match="of the kind synthetic, for which there is no competition's file"):
        submit(done.folder)


def test_a_recommender_that_failed_has_no_answers(tmp_path: Path) -> None:
    done = run("mind", written(tmp_path, mind_log()), Broken(), "popular")
    (failed,) = [pair["recommender"] for pair in done.info["pairs"] if pair["status"] == "failed"]
    with pytest.raises(RunError, match=r"Broken.* failed in .* and has no answers: .*no"):
        submit(done.folder, recommender=failed)


def test_a_recommender_without_scores_has_no_answers(tmp_path: Path) -> None:
    done = newsreplay.run(f"mind:{written(tmp_path, mind_log())}", ["popular"], out=tmp_path / "run", slates=False)
    with pytest.raises(RunError, match="keeps no scores of popular"):
        submit(done.folder)


def test_a_test_split_alone_says_what_became_of_its_rows(tmp_path: Path) -> None:
    for kind, files in (("mind", mind_test()), ("ebnerd", ebnerd_test())):
        alone = {name: data for name, data in files.items() if "test" in name}
        with pytest.raises(DataError, match=r"20 impressions whose clicks are withheld \(a test split,.*train split's"):
            run(kind, written(tmp_path / kind, alone), "popular")


def test_the_command_says_what_it_wrote_and_what_is_missing(tmp_path: Path) -> None:
    files = mind_log()
    files["small_test/behaviors.tsv"] += b"77\tU1\tnever\tN1\tN2 N3\n"
    done = run("mind", written(tmp_path, files), "popular")
    result = CliRunner().invoke(main, ["submit", str(done.folder), "--out", str(tmp_path / "mine.zip")])
    assert result.exit_code == 0, result.output
    assert f"wrote 20 impressions as ranked by popular to {tmp_path / 'mine.zip'}" in result.output
    assert "1 rows of the source could not be used" in result.output
    assert len(lines_in(tmp_path / "mine.zip", "prediction.txt")) == 20
