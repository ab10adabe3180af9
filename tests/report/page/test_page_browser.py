"""The page in a real browser: headless Chromium, driven through selenium. Skipped where there is none."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from newsreplay.report.page.page import write_page
from tests.report.made_up_contents import DEMO, HOSTILE, made_up_contents

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no Chromium with its chromedriver on the PATH: the page was not tried in a browser",
)


class Page:
    """A page in the browser, and what the tests look at."""

    def __init__(self, driver: webdriver.Chrome, folder: Path) -> None:
        self.driver, self.folder = driver, folder

    def open(self, contents: dict[str, Any], *, width: int = 1280, dark: bool = False) -> None:
        path = self.folder / "report.html"
        write_page(contents, path)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get("about:blank")  # the page before has the same address: what is found is not to be its own
        self.driver.get(path.as_uri())
        WebDriverWait(self.driver, 60).until(
            lambda _: self.js("document.getElementById('page')?.childElementCount > 0")
        )

    def js(self, code: str, *words: Any) -> Any:
        return self.driver.execute_script(f"return {code}", *words)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        (found,) = self.all(selector)
        return found

    def texts(self, selector: str) -> list[str]:
        """The text of each element, as it stands there, drawn or not."""
        found: list[str] = self.js(
            "[...document.querySelectorAll(arguments[0])].map(each => each.textContent.trim())", selector
        )
        return found

    @property
    def names(self) -> list[str]:
        return self.texts(".leaderboard tbody th[scope=row] bdi")

    def column(self, key: str) -> list[str]:
        """The cells of a column of the ranked rows, their stars taken off."""
        cells: list[str] = self.js(
            "(at => [...document.querySelectorAll('.leaderboard tbody:nth-of-type(1) tr')]"
            ".map(row => row.cells[at].textContent.replace('★', '').trim()))"
            "(document.querySelector(`.leaderboard th[data-key='${arguments[0]}']`).cellIndex)",
            key,
        )
        return cells

    def head(self, key: str) -> WebElement:
        return self.one(f".leaderboard th[data-key='{key}'] button")

    def sort_by(self, key: str) -> str | None:
        self.js("arguments[0].click()", self.head(key))
        return self.one(f".leaderboard th[data-key='{key}']").get_attribute("aria-sort")

    def filter(self, words: str) -> None:
        box = self.one("input[type=search]")
        box.clear()
        box.send_keys(words)

    def tip(self) -> str:
        return self.one("#tip").text

    def count(self) -> str:
        return self.texts("p[role=status]")[0]

    def sideways(self) -> int:
        """How much wider than the window the page is, in px."""
        wider: int = self.js("document.documentElement.scrollWidth - innerWidth")
        return wider

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requested(self) -> list[str]:
        """The addresses asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-background-networking"):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    quiet = os.environ | {"NO_PROXY": "localhost,127.0.0.1"}
    driver = webdriver.Chrome(options=options, service=Service(DRIVER, env=quiet))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: webdriver.Chrome, tmp_path: Path) -> Iterator[Page]:
    page = Page(browser, tmp_path)
    page.errors()
    page.requested()
    yield page
    assert page.errors() == []
    assert {url for url in page.requested() if not url.startswith("data:")} == {(tmp_path / "report.html").as_uri()}


def numbers(cells: list[str]) -> list[float]:
    return [float(cell.replace("−", "-")) for cell in cells if cell != "–"]


# --- the answer -----------------------------------------------------------------------------------------


def test_the_first_screen_says_who_is_best_and_whether_that_is_certain(page: Page) -> None:
    page.open(made_up_contents())
    assert page.js("document.querySelector('.verdicts').getBoundingClientRect().bottom < innerHeight")
    a, b, c = (each.text for each in page.all(".verdicts li"))
    assert a.startswith("A certain sequences leads: E@1 18.412 % (")
    assert "All others are worse beyond chance; next is minhash: −2.957 points (−" in a
    assert b.startswith("B certain circular(size=100) and 3 others, all equal, lead: E@1 11.136 %")
    assert c.startswith("C not certain circular(size=100) and 3 others")
    assert "But trend(hours=12) may be as good: −0.350 points (−" in c


def test_without_intervals_nothing_is_called_certain_and_plots_say_why_they_are_missing(page: Page) -> None:
    page.open(made_up_contents(bare=True, publishers=("A",), extras=False))
    assert page.texts(".verdicts .badge") == ["not known"]
    assert page.column("event_success@1")[:3] == ["18.412", "15.455", "14.355"]
    said = page.texts(".left-out")
    assert len(said) == 5
    assert all(" is left out: " in line for line in said)
    assert page.js("document.querySelectorAll('figure.plot').length") == 1


def test_leaks_come_first_and_what_is_made_up_is_marked(page: Page) -> None:
    page.open(
        made_up_contents(
            ["random"],
            ("A",),
            notes=(
                ("rejected", "LEAKS: 1"),
                ("made up", "times are"),
                ("failed", "made up: x"),
                ("leak", "LEAKS THE FUTURE: categories"),
            ),
        )
    )
    assert [(each.text, each.get_attribute("class")) for each in page.all(".notes li")] == [
        ("LEAKS THE FUTURE: categories", "leak"),
        ("times are", "made-up"),
        ("made up: x", "failed"),
        ("LEAKS: 1", "rejected"),
    ]
    assert page.js("getComputedStyle(document.querySelector('.leak')).color") == "rgb(179, 38, 30)"


def test_a_row_that_foresees_is_set_apart_and_a_failed_one_shows_its_error(page: Page) -> None:
    page.open(made_up_contents(publishers=("A",)))
    for _ in range(2):
        page.sort_by("event_success@1")
        assert page.names[-2:] == ["oracle", "my_ranker.py:Mine"]
    assert page.texts("tr.foresees td")[:2] == ["–", "93.400"]
    assert "recommended 17, which is not known yet" in page.one("tr.failed td.error").text
    assert "oracle" not in page.texts(".plot text")


# --- sorting, filtering, choosing -----------------------------------------------------------------------


def test_sorting_is_by_number_and_missing_values_come_last_both_ways(page: Page) -> None:
    contents = made_up_contents(["a", "b", "c", "d", "e"], ("A",), extras=False)
    values = [0.09, None, 1.0, 0.1, 0.0005]
    for row, value in zip(contents["publishers"][0]["rows"], values, strict=True):
        row["results"]["session_success@1"] = [value, None, None, 10]
    page.open(contents)
    assert page.sort_by("session_success@1") == "descending"
    assert page.column("session_success@1") == ["100.000", "10.000", "9.000", "0.050", "–"]
    assert page.sort_by("session_success@1") == "ascending"
    assert page.column("session_success@1") == ["0.050", "9.000", "10.000", "100.000", "–"]
    assert page.names == ["e", "a", "d", "c", "b"]


@pytest.mark.parametrize("key", ["rank", "event_success@1", "difference", "us_per_event"])
def test_every_kind_of_column_sorts(page: Page, key: str) -> None:
    page.open(made_up_contents(publishers=("C",)))
    other = "p95_ms" if key == "rank" else "rank"
    page.sort_by(other)
    first = page.sort_by(key)
    cells = page.column(key)
    values = [float(cell.split()[0].replace("−", "-").replace("best", "0")) for cell in cells if cell != "–"]
    assert values == sorted(values, reverse=first == "descending")
    assert page.sort_by(key) == {"ascending": "descending", "descending": "ascending"}[first or ""]
    assert [each.get_attribute("aria-sort") for each in page.all(".leaderboard thead th")].count("none") == 8


def test_names_sort_as_people_count_and_by_keyboard(page: Page) -> None:
    page.open(made_up_contents(publishers=("A",), extras=False))
    page.head("recommender").send_keys(Keys.ENTER)
    names = page.names
    assert names[:4] == [f"circular(size={size})" for size in (100, 200, 500, 1000)]
    assert page.js("document.activeElement.closest('th').dataset.key") == "recommender"
    page.driver.switch_to.active_element.send_keys(Keys.SPACE)
    assert page.names == sorted(names, key=names.index, reverse=True)


def test_the_filter_takes_several_words_and_says_how_many_rows_are_left(page: Page) -> None:
    page.open(made_up_contents(publishers=("A",)))
    assert page.count() == "24 of 24 recommenders."
    page.filter("TREND, circular")
    assert page.count() == "8 of 24 recommenders."
    assert {name.split("(")[0] for name in page.names} == {"trend", "circular"}
    page.filter("hours=6 mine")
    assert set(page.names) == {"trend(hours=6)", "random(hours=6)", "popular(hours=6)", "my_ranker.py:Mine"}
    page.filter("nobody")
    assert page.names == []


def test_metrics_are_chosen_from_all_that_the_run_has(page: Page) -> None:
    page.open(made_up_contents(publishers=("A",)))
    assert not page.all("th[data-key='age@10']")
    page.sort_by("p95_ms")
    page.js("document.querySelector('.chooser').open = true")
    page.one(".chooser input[value='age@10']").click()
    page.one(".chooser input[value='p95_ms']").click()
    assert len(numbers(page.column("age@10"))) == 22
    assert not page.all("th[data-key='p95_ms']")
    assert page.one("th[data-key=rank]").get_attribute("aria-sort") == "ascending"  # what sorted them is gone
    assert not page.all(".chooser input[value='event_success@1']")  # what ranks them stays


# --- publishers -----------------------------------------------------------------------------------------


def test_a_publisher_is_picked_by_tab_by_arrow_key_and_from_its_verdict(page: Page) -> None:
    page.open(made_up_contents())
    heading = "#publisher h2"
    assert page.texts(heading) == ["A"]
    page.filter("trend")
    tabs = page.all("[role=tab]")
    tabs[1].click()
    assert page.texts(heading) == ["B"]
    assert page.names[0] == "circular(size=100)"
    tabs[1].send_keys(Keys.ARROW_RIGHT)
    assert page.texts(heading) == ["C"]
    assert [tab.get_attribute("aria-selected") for tab in tabs] == ["false", "false", "true"]
    page.all(".verdicts button")[0].click()
    assert page.texts(heading) == ["A"]
    assert page.count() == "4 of 24 recommenders."  # what was typed there stays


def test_of_thirty_publishers_one_is_picked_from_a_list(page: Page) -> None:
    page.open(made_up_contents(["popular", "recency"], tuple(f"paper {n}" for n in range(30))), width=360)
    assert not page.all("[role=tab]")
    assert page.texts(".heat tbody th") == ["popular", "recency"]
    page.one(".picker select").send_keys("paper 17")
    assert page.texts("#publisher h2") == ["paper 17"]
    assert len(page.texts(".heat thead th")) == 31
    assert page.sideways() <= 0


def test_the_heat_map_has_the_best_on_average_first_and_equal_ones_share_their_rank(page: Page) -> None:
    page.open(made_up_contents())
    circular = [f"circular(size={size})" for size in (100, 200, 500, 1000)]
    assert page.texts(".heat tbody th")[:5] == [*circular, "minhash"]
    assert page.texts(".heat tbody tr:first-child td") == ["11.30", "11.14", "2.24"]
    shades = page.js("[...document.querySelectorAll('.heat tbody tr:first-child td')].map(each => each.style.cssText)")
    assert shades == ["--share: 37%;", "--share: 60%;", "--share: 60%;"]


def test_the_heat_map_has_the_order_of_the_mean_ranks_that_it_is_given(page: Page) -> None:
    contents = made_up_contents(["popular", "recency", "random"])
    contents["mean_ranks"].reverse()
    page.open(contents)
    drawn = {row["recommender"] for row in contents["publishers"][0]["rows"] if not row["foresees"] and row["results"]}
    assert page.texts(".heat tbody th") == [name for name, _ in contents["mean_ranks"] if name in drawn]


def test_a_single_publisher_needs_no_picker_and_no_heat_map(page: Page) -> None:
    page.open(made_up_contents(publishers=("A",)))
    assert not page.all(".picker, .heat")


# --- hostile names --------------------------------------------------------------------------------------


def test_on_a_telephone_names_keep_their_ends_which_tell_them_apart(page: Page) -> None:
    names = [f"random(hours={hours})" for hours in (6, 12, 24, 48)] + ["a_package.with_a_long_name:Ranker(size=5)"]
    page.open(made_up_contents(names, ("A", "B")), width=360)
    assert {*names} <= {*page.names}
    for selector in (".leaderboard", ".heat"):
        for end in page.all(f"{selector} tbody th bdi.cut span:last-child"):
            cell = page.js("arguments[0].closest('th').getBoundingClientRect().right", end)
            assert page.js("arguments[0].getBoundingClientRect().right", end) <= cell + 1
    assert page.js("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("width", [1280, 360])
def test_hostile_names_are_shown_as_text_and_run_nothing(page: Page, width: int) -> None:
    contents = made_up_contents(
        HOSTILE,
        tuple(HOSTILE[:6]),
        title=HOSTILE[0],
        notes=(("leak", "LEAKS THE FUTURE: " + HOSTILE[0]), *(("note", name) for name in HOSTILE)),
    )
    publisher = contents["publishers"][0]
    publisher["rows"][-1]["error"] = HOSTILE[1]
    publisher["facts"].append([HOSTILE[2], HOSTILE[0]])
    publisher["slices"][0] |= {"label": HOSTILE[0], "groups": (HOSTILE * 2)[:24]}
    publisher["over_time"]["label"] = HOSTILE[1]
    contents["manifest"].append([HOSTILE[0], HOSTILE[1]])
    contents["commands"].append(f"newsreplay run --data '{HOSTILE[0]}'")
    page.open(contents, width=width)
    assert page.js("document.title") == HOSTILE[0]
    assert page.texts("h1") == [HOSTILE[0]]
    names = page.names
    for name in [*HOSTILE[:5], "x" * 600, "constructor", "__proto__", "שלום עולם"]:
        assert name in names
    assert r"\u202eevil\u202c \u2066turned" in names
    assert "(no name)" in names
    assert not page.all("img, iframe, main script, #page style")
    assert page.sideways() <= 0
    for tab in page.all("[role=tab]"):
        page.js("arguments[0].click()", tab)
    assert HOSTILE[5] not in page.texts("#publisher h2")
    assert page.js("document.title") == HOSTILE[0]


def test_the_policy_stops_even_a_script_that_got_in(page: Page) -> None:
    page.open(made_up_contents(["random"], ("A",)))
    blocked = page.driver.execute_async_script(
        "const done = arguments[0], found = [];"
        "addEventListener('securitypolicyviolation', event => {"
        "  found.push(event.effectiveDirective); if (found.length === 3) done(found.sort()); });"
        "const image = new Image(); image.src = 'http://localhost:9/x.png'; document.body.append(image);"
        "const script = document.createElement('script'); script.textContent = 'window.ran = 1';"
        "document.body.append(script); fetch('http://localhost:9/').catch(() => {});"
    )
    assert blocked == ["connect-src", "img-src", "script-src-elem"]
    assert page.js("window.ran") is None
    page.errors()  # the browser says that it has blocked them
    page.requested()
    page.open(made_up_contents(["random"], ("A",)))


# --- size -----------------------------------------------------------------------------------------------


def test_a_thousand_recommenders_are_sorted_and_filtered_whole_though_not_all_drawn(page: Page) -> None:
    contents = made_up_contents([f"model_{n}(size={n})" for n in range(1000)], ("A",), extras=False)
    contents["publishers"][0]["slices"] = []  # 6 MB that this test does not look at
    page.open(contents)
    assert page.count().startswith("1,000 of 1,000 recommenders. The first 200 are drawn")
    assert len(page.names) == 200
    page.sort_by("event_success@1")
    lowest_drawn = numbers(page.column("event_success@1"))[-1]
    page.sort_by("event_success@1")
    assert max(numbers(page.column("event_success@1"))) < lowest_drawn
    page.one("p[role=status] button").click()
    values = numbers(page.column("event_success@1"))
    assert len(values) == 1000
    assert values == sorted(values)
    page.filter("99")
    assert page.count() == "19 of 1,000 recommenders."
    assert len(page.all("[data-plot=success] .sign, [data-plot=success] circle")) == 60
    assert len(page.all("[data-plot=ranks] line.wide")) == 40
    assert "The 60 best of 1000 recommenders are drawn." in page.texts("[data-plot=success] .note")[0]


@pytest.mark.parametrize("bare", [False, True])
def test_on_a_telephone_tables_scroll_in_their_boxes_and_the_page_does_not(page: Page, bare: bool) -> None:
    page.open(made_up_contents(bare=bare), width=360)
    page.js("document.querySelector('.chooser').open = true")
    page.js("document.querySelectorAll('.chooser input:not(:checked)').forEach(each => each.click())")
    assert page.sideways() <= 0
    assert page.js("document.querySelector('.leaderboard').offsetWidth") > 1000
    outside = page.js(
        "[...document.querySelectorAll('main *')].filter(each =>"
        " !each.closest('.box, .picker, pre, select, details > :not(summary)')"
        " && each.getBoundingClientRect().right > 361).map(each => each.outerHTML.slice(0, 80))"
    )
    assert outside == []


# --- plots ----------------------------------------------------------------------------------------------

PLOTS = ["success", "cost", "time", "ranks", "slices", "misses"]


def test_all_plots_are_drawn_and_follow_the_width(page: Page) -> None:
    page.open(made_up_contents())
    assert page.js("[...document.querySelectorAll('figure.plot')].map(each => each.dataset.plot)") == PLOTS
    assert not page.js("document.querySelector('.plots').innerHTML.includes('NaN')")
    widths = page.js("[...document.querySelectorAll('.plot svg')].map(each => each.clientWidth)")
    assert set(widths) == {1140}
    page.open(made_up_contents(), width=700)
    assert (
        page.js("Math.max(...[...document.querySelectorAll('[data-plot=time] svg')].map(each => each.clientWidth))")
        < 700
    )
    assert page.sideways() <= 0


def test_the_four_best_that_differ_are_in_colour_and_never_more_than_six(page: Page) -> None:
    page.open(made_up_contents(publishers=("B",)))
    chosen = ".series li .name"
    assert page.texts(chosen) == ["circular(size=100)", "minhash", "recency", "random(hours=6)"]
    for _ in range(2):
        page.one(".series select").send_keys(Keys.ARROW_DOWN)
    assert len(page.texts(chosen)) == 6
    assert len(page.all("[data-plot=time] path.line")) == 6
    assert not page.one(".series select").is_enabled()
    page.all(".series li button")[0].click()
    assert page.texts(chosen)[0] == "minhash"
    assert len(page.all("[data-plot=time] path.line")) == 5
    for _ in range(5):
        page.all(".series li button")[0].click()
    assert len(page.texts(".left-out")) == 2


def test_slices_are_chosen_by_dimension_and_metric(page: Page) -> None:
    page.open(made_up_contents(publishers=("A",)))
    page.all(".with-tools select")[0].send_keys("reader")
    assert page.texts("[data-plot=slices] h3") == ["E@1 by reader"]
    assert {"first session", "returning"} <= set(page.texts("[data-plot=slices] text"))
    page.all(".with-tools select")[1].send_keys("slate")
    assert page.texts("[data-plot=slices] h3") == ["slate nDCG@10 by reader"]


def test_a_stretch_without_a_value_is_a_gap(page: Page) -> None:
    page.open(made_up_contents(publishers=("A",)))
    (path, *_) = page.js(
        "[...document.querySelectorAll('[data-plot=time] path.line')].map(each => each.getAttribute('d'))"
    )
    assert path.count("M") == 2


def test_bars_of_misses_fill_the_width_and_an_oracle_has_its_line(page: Page) -> None:
    page.open(made_up_contents(publishers=("A",), extras=False))
    widths = page.js(
        "[...document.querySelectorAll('[data-plot=misses] rect.bar')].reduce((sums, bar) => {"
        " const y = bar.getAttribute('y'); sums[y] = (sums[y] ?? 0) + Number(bar.getAttribute('width'));"
        " return sums }, {})"
    )
    assert len(widths) == 22
    assert max(widths.values()) - min(widths.values()) < 0.01
    assert page.one("[data-plot=misses] line.ceiling")
    assert "an oracle reaches 62.0 %" in page.texts("[data-plot=misses] .legend li")


def test_corners_are_drawn_or_left_out_and_never_break_the_page(page: Page) -> None:
    def corner(change: Callable[[dict[str, Any]], None], names: list[str]) -> None:
        contents = made_up_contents(names, ("A",), extras=False)
        change(contents["publishers"][0])
        page.open(contents)
        assert page.all("#publisher h2"), page.errors()
        assert len(page.texts("figure.plot")) + len(page.texts(".left-out")) == len(PLOTS)
        assert not page.js("/NaN|Infinity|undefined/.test(document.querySelector('main').innerHTML)")

    def zeros(publisher: dict[str, Any]) -> None:
        for row in publisher["rows"]:
            row["results"] = {metric: [0.0, 0.0, 0.0, 9] for metric in publisher["metrics"]}
            row["cost"]["us_per_event"] = 0.0

    def one_of_each(publisher: dict[str, Any]) -> None:
        time = publisher["over_time"]
        time |= {"starts": time["starts"][:1], "cells": {name: cells[:1] for name, cells in time["cells"].items()}}
        for each in publisher["slices"]:
            each["groups"] = each["groups"][:1]

    def impressions_only(publisher: dict[str, Any]) -> None:
        publisher |= {
            "headline": "auc",
            "metrics": ["auc", "mrr", "tied"],
            "over_time": None,
            "slices": [],
            "facts": [],
        }
        for row in publisher["rows"]:
            row["results"] = {"auc": [0.61, 0.6, 0.62, 500], "mrr": [0.3, 0.29, 0.31, 500]}

    def all_failed(publisher: dict[str, Any]) -> None:
        for row in publisher["rows"]:
            row |= {"status": "failed", "error": "it broke", "results": {}, "rank": None, "cost": None, "misses": None}

    corner(zeros, ["popular", "random"])
    corner(one_of_each, ["popular"])
    corner(impressions_only, ["popular", "random"])
    assert page.texts(".leaderboard thead th")[2].startswith("AUC %")
    corner(all_failed, ["popular", "random"])
    assert "No recommender has a value here." in page.one(".verdicts").text
    assert page.texts("td.error") == ["failed: it broke"] * 2
    corner(lambda publisher: None, [])


# --- exact numbers, by pointer and by keyboard ----------------------------------------------------------


def test_pointing_at_a_cell_shows_its_exact_numbers(page: Page) -> None:
    contents = made_up_contents(["popular", "random"], ("A",), extras=False)
    contents["publishers"][0]["rows"][0]["results"]["event_success@1"] = [0.1234567, 0.12, 0.13, 4321]
    page.open(contents)
    cell = page.js("document.querySelector('.leaderboard td.metric')")
    ActionChains(page.driver).move_to_element(cell).perform()
    assert page.tip() == "popular\nE@1 12.3457 % (12.0000 to 13.0000), n = 4,321"
    ActionChains(page.driver).move_to_element(page.one("h1")).perform()
    assert not page.one("#tip").is_displayed()


def test_the_table_is_one_tab_stop_and_the_arrow_keys_walk_in_it(page: Page) -> None:
    page.open(made_up_contents(publishers=("A",)))
    assert len(page.all(".leaderboard tbody [tabindex='0']")) == 1
    page.all(".leaderboard thead button")[-1].send_keys(Keys.TAB)
    assert page.tip().startswith("rank 1")
    keys = ActionChains(page.driver)
    keys.send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()
    assert page.tip().startswith("minhash\nE@1 15.4550 % (")
    keys.send_keys(Keys.ESCAPE).perform()
    assert not page.one("#tip").is_displayed()


def test_plots_tell_their_values_to_the_pointer_and_to_the_arrow_keys(page: Page) -> None:
    page.open(made_up_contents(publishers=("A",)))
    for name in PLOTS:
        drawing = page.one(f"[data-plot={name}] svg")
        page.js("arguments[0].scrollIntoView({ block: 'center' })", drawing)
        page.js("arguments[0].focus()", drawing)
        drawing.send_keys(Keys.HOME)
        first = page.tip()
        drawing.send_keys(Keys.ARROW_RIGHT)
        second = page.tip()
        assert first != second, name
        assert len(second.splitlines()) >= 2, name
    mark = page.js("document.querySelector('[data-plot=cost] path.sign')")
    page.js("arguments[0].scrollIntoView({ block: 'center' })", mark)
    ActionChains(page.driver).move_to_element(mark).perform()
    # The pointer arrives when the browser gets round to it.
    WebDriverWait(page.driver, 10).until(lambda _: "µs per event" in page.tip())


def test_the_commands_are_copied_from_a_file(page: Page) -> None:
    page.open(made_up_contents(publishers=("A",)))
    page.one(".copy").click()
    assert page.one(".copy").text == "copied"
    box = page.one("input[type=search]")
    box.send_keys(Keys.CONTROL, "v")
    assert "newsreplay run --data demo --out runs/demo" in (box.get_property("value") or "")


# --- light, dark, paper ---------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Of WCAG 2, from `rgb(r, g, b)`."""
    parts = [int(part) / 255 for part in colour[4:-1].split(", ")]
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_stand_out_from_the_ground_in_both_schemes(page: Page, dark: bool) -> None:
    notes = (("leak", "LEAKS THE FUTURE: x"), ("made up", "made up: y"), ("note", "z"))
    page.open(made_up_contents(notes=notes), dark=dark)
    ground = luminance(page.js("getComputedStyle(document.body).backgroundColor"))
    assert (ground < 0.05) is dark
    for selector in (
        "h1",
        ".note",
        ".leak",
        ".made-up",
        ".badge.certain",
        ".badge.uncertain",
        ".leaderboard td",
        ".plot text",
    ):
        colour, behind = page.js(
            "(style => [style.fill === 'rgb(0, 0, 0)' ? style.color : style.fill, style.backgroundColor])"
            "(getComputedStyle(document.querySelector(arguments[0])))",
            selector,
        )
        back = ground if behind == "rgba(0, 0, 0, 0)" else luminance(behind)
        light, deep = sorted([luminance(colour), back], reverse=True)
        assert (light + 0.05) / (deep + 0.05) >= 4.5, selector


def test_on_paper_the_controls_are_gone_and_the_table_is_not_cut(page: Page) -> None:
    page.open(made_up_contents([f"m{n}" for n in range(60)]))
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not [each for each in page.all(".picker, .tools, .copy, .series button") if each.is_displayed()]
        assert page.js("getComputedStyle(document.querySelector('.box.long')).maxHeight") == "none"
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_headings_go_down_one_step_at_a_time_and_controls_have_names(page: Page) -> None:
    page.open(made_up_contents())
    levels = [
        int(level) for level in page.js("[...document.querySelectorAll('h1,h2,h3')].map(each => each.tagName[1])")
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    nameless = page.js(
        "[...document.querySelectorAll('button, input, select, svg[tabindex]')].filter(each =>"
        " !(each.textContent.trim() || each.ariaLabel || each.labels?.length)).length"
    )
    assert nameless == 0
    assert len(DEMO) + 2 == len(page.names)


def test_a_row_that_leaks_stands_and_is_drawn_among_the_others_and_is_not_ranked(page: Page) -> None:
    contents = made_up_contents(publishers=("A",), extras=False)
    rows = contents["publishers"][0]["rows"]
    best = rows[0] | {"recommender": "awrs (leaks)", "leaks": "all clicks", "rank": None, "against_best": None}
    best["results"] = best["results"] | {"event_success@1": [0.9, 0.89, 0.91, 5]}
    rows.append(best | {"pareto": False})
    page.open(contents)
    assert page.names[-1] == "awrs (leaks)"  # after those that have a rank
    assert page.column("rank")[-1] == "–"
    assert not page.one("td.best").text.startswith("★ 90")
    assert all("awrs" not in each for each in page.texts(".verdicts li"))
    assert "awrs (leaks)" in page.texts(".series li bdi")
    assert page.errors() == []
