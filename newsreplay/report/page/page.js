// The page: the verdicts, a section for the publisher that is picked, and how it was all made.
"use strict";

const MOST_TABS = 8; // publishers; more are picked from a list

// ---- plots

function plots(publisher) {
  const place = el("div", { class: "plots" });
  const fill = () => {
    place.replaceChildren(seriesChooser(publisher, fill), ...figuresOf(publisher));
    for (const node of place.querySelectorAll("figure.plot")) node.redraw();
  };
  place.fill = fill; // once it stands on the page: a drawing needs to know its width
  return place;
}

/** Which recommenders have a colour; it is a legend, too. */
function seriesChooser(publisher, changed) {
  const { series } = stateOf(publisher);
  const chips = series.flatMap((row, number) => {
    if (!row) return [];
    const mark = svg("svg", { width: 26, height: 14, "aria-hidden": "true" });
    mark.append(line(0, 7, 26, 7, `line s${number}`), sign(number, 13, 7));
    const away = el("button", { type: "button", "aria-label": `take ${plain(row.recommender)} out` }, "×");
    away.addEventListener("click", () => {
      series[number] = null;
      changed();
    });
    return [el("li", {}, mark, named(row.recommender), away)];
  });
  const outside = ordinary(publisher).filter(row => !series.includes(row));
  const free = series.indexOf(null);
  const add = el("select", { "aria-label": "add a recommender", disabled: free < 0 || !outside.length },
    el("option", { value: "" }, free < 0 ? `${MOST_SERIES} at most` : "add …"),
    ...outside.map((row, n) => el("option", { value: String(n) }, short(row.recommender, 60))));
  add.addEventListener("change", () => {
    series[free] = outside[Number(add.value)];
    changed();
  });
  return el("div", { class: "series" }, el("b", {}, "In colour: "), el("ul", {}, ...chips), add);
}

function figuresOf(publisher) {
  const state = stateOf(publisher);
  const { headline } = publisher;
  const rows = ordinary(publisher);
  const seriesOf = row => state.series.indexOf(row);
  const series = state.series.flatMap((row, number) => (row ? [{ row, series: number }] : []));
  const tipLines = (row, ...metrics) => [
    short(row.recommender),
    ...metrics.map(metric => `${textOf(metric)} ${inFull(resultOf(row, metric), metric)}`),
  ];
  const figures = [];

  const hasBoth = cut => ["event", "session"].every(kind => publisher.metrics.includes(`${kind}_success@${cut}`));
  const cut = [headline.split("@")[1], "1", "5", "10"].find(hasBoth);
  const [e, p] = [`event_success@${cut}`, `session_success@${cut}`];
  const hasPoint = row => isNumber(resultOf(row, e)[0]) && isNumber(resultOf(row, p)[0]);
  const bothTitle = "Event-level against session-level success";
  if (cut && rows.some(hasPoint))
    figures.push(scatter(bothTitle, "success", rows, seriesOf, {
      x: row => scaled(resultOf(row, p), p),
      y: row => scaled(resultOf(row, e), e),
      xLabel: axisOf(p),
      yLabel: axisOf(e),
      tipOf: row => tipLines(row, e, p),
      note: publisher.rows.some(row => row.foresees) ? "Who knows the future is not drawn." : null,
    }));
  else figures.push(leftOut(bothTitle, "the run has not both at one cut-off"));

  if (rows.some(row => row.cost?.us_per_event > 0))
    figures.push(scatter("Quality against cost", "cost", rows, seriesOf, {
      x: row => [row.cost?.us_per_event ?? null],
      y: row => scaled(resultOf(row, headline), headline),
      isLog: true,
      xLabel: "µs per event (log)",
      yLabel: axisOf(headline),
      front: rows.filter(row => row.pareto && row.cost?.us_per_event > 0),
      tipOf: row => [
        ...tipLines(row, headline),
        `${compact(row.cost.us_per_event)} µs per event`,
        ...(row.pareto ? ["◆ Pareto-optimal"] : []),
      ],
      note: "The dashed line joins what is Pareto-optimal: nothing is both better and cheaper.",
    }));
  else figures.push(leftOut("Quality against cost", "nobody has both a value and a cost"));

  const time = publisher.over_time;
  const hasValue = cells => cells?.some(cell => isNumber(cell[0]));
  if (!series.length) figures.push(leftOut("Success over time", "no recommender is in colour; add one above"));
  else if (time?.starts.length && series.some(({ row }) => hasValue(lookup(time.cells, row.recommender))))
    figures.push(overTime(`${textOf(time.metric)} over time (${plain(time.label)})`, time, series));
  else figures.push(leftOut("Success over time", "no stretch of time has sessions enough"));

  const placed = sorted(rows.filter(row => row.rank), row => row.rank[0], false);
  const ranksTitle = "Ranks, and the ranges that paired tests leave them";
  if (placed.length > 1) figures.push(rankRanges(ranksTitle, placed, seriesOf));
  else figures.push(leftOut("Ranks", "fewer than two recommenders have one"));

  figures.push(sliceFigure(publisher, series));

  const missed = rows.filter(row => row.misses);
  const { causes, ceiling } = publisher;
  const missesTitle = "What became of the reads that could have been a hit";
  if (missed.length) figures.push(misses(missesTitle, missed, causes, ceiling, seriesOf));
  else figures.push(leftOut("Misses", "no read of a scored session could have been a hit"));
  return figures;
}

function sliceFigure(publisher, series) {
  const state = stateOf(publisher);
  const usable = publisher.slices.filter(slice => slice.groups.length && slice.metrics.length);
  if (!usable.length) return leftOut("Slices", "the run has none");
  if (!series.length) return leftOut("Slices", "no recommender is in colour; add one above");
  const controls = el("div", { class: "tools" });
  const place = el("div");
  const fill = () => {
    const slice = usable[state.slice];
    if (!slice.metrics.includes(state.metric)) state.metric = slice.metrics[0];
    const again = () => {
      fill();
      place.firstChild.redraw?.();
    };
    controls.replaceChildren(
      choice("by", usable.map((slice, n) => [String(n), plain(slice.label)]), String(state.slice), value => {
        state.slice = Number(value);
        again();
      }),
      choice("metric", slice.metrics.map(metric => [metric, textOf(metric)]), state.metric, value => {
        state.metric = value;
        again();
      })
    );
    const cells = slice.cells[state.metric] ?? {};
    const has = series.some(({ row }) => lookup(cells, row.recommender)?.some(cell => isNumber(cell[0])));
    const title = `${textOf(state.metric)} by ${plain(slice.label)}`;
    const missing = "the recommenders in colour have no values there";
    place.replaceChildren(has ? slices(title, slice, state.metric, series) : leftOut(title, missing));
  };
  fill();
  return el("div", { class: "with-tools" }, controls, place);
}

/** Publishers × recommenders: each publisher's column is shaded from its worst to its best. */
function heatMap() {
  const { publishers } = contents;
  const columns = publishers.map(publisher => {
    const rows = ordinary(publisher);
    const value = row => resultOf(row, publisher.headline)[0];
    const [best, worst] = [competitors(publisher)[0] ?? rows[0], rows.at(-1)].map(row => row && value(row));
    // At most 60 % of the colour, so that the ink on it stays readable.
    const shade = row => (best === worst ? 60 : Math.min(60, Math.round((60 * (value(row) - worst)) / (best - worst))));
    return new Map(rows.map(row => [row.recommender, { publisher, row, shade: shade(row) }]));
  });
  // In the order of the leaderboard, whose mean ranks these are.
  const names = contents.mean_ranks.map(([name]) => name).filter(name => columns.some(column => column.has(name)));
  const drawn = names.slice(0, MOST_POINTS);
  const cellOf = entry => {
    if (!entry) return el("td", { class: "none" }, "–");
    const { publisher, row, shade } = entry;
    const { headline } = publisher;
    const cell = el("td", { tabIndex: -1 }, formatValue(resultOf(row, headline)[0], headline, 2));
    cell.style.setProperty("--share", `${shade}%`);
    cell.tips = () => [
      `${short(row.recommender)} on ${short(publisher.name)}`,
      `${textOf(headline)} ${inFull(resultOf(row, headline), headline)}`,
    ];
    return cell;
  };
  const body = drawn.map(name => {
    const cells = columns.map(column => cellOf(column.get(name)));
    return el("tr", {}, el("th", { scope: "row" }, headOfRow(name)), ...cells);
  });
  const heads = publishers.map(({ name, headline }) =>
    el("th", { scope: "col" }, named(name, 16), el("small", {}, ` ${textOf(headline)}`))
  );
  const head = el("tr", {}, el("th", { scope: "col" }, "recommender"), ...heads);
  const table = el("table", { class: "heat" }, el("thead", {}, head), el("tbody", {}, ...body));
  listenCells(table);
  const first = table.querySelector("td[tabindex]");
  if (first) first.tabIndex = 0;
  const limit = drawn.length < names.length ? ` The ${drawn.length} best of ${names.length} are shown.` : "";
  const note = `The stronger the shade the better, within each publisher. Sorted by mean rank: ${ranking}.${limit}`;
  return el("section", {}, el("h2", {}, "Publishers × recommenders"), el("p", { class: "note" }, note), boxed(table));
}

// ---- the page

const boxed = table => el("div", { class: "box" }, table);

function section(publisher) {
  const facts = publisher.facts.map(([label, words]) =>
    el("div", {}, el("dt", {}, plain(label)), el("dd", {}, plain(words)))
  );
  return [
    el("h2", {}, named(publisher.name, 60)),
    el("dl", { class: "facts" }, ...facts),
    el("h3", {}, "Leaderboard"),
    leaderboard(publisher),
    el("h3", { class: "apart" }, "Plots"),
    plots(publisher),
  ];
}

const panel = el("section", { id: "publisher" });
const panels = new Map(); // publisher → its nodes: what was scrolled and typed there stays
let picked = null;
let picker = null;

function pick(publisher) {
  if (picked === publisher) return;
  picked = publisher;
  if (!panels.has(publisher)) panels.set(publisher, section(publisher));
  panel.replaceChildren(...panels.get(publisher));
  panel.querySelector(".plots").fill();
  picker?.picked(publisher);
}

function pickerOf(publishers) {
  if (publishers.length > MOST_TABS) {
    const options = publishers.map((publisher, n) => [String(n), short(publisher.name, 60)]);
    const label = choice("Publisher", options, "0", value => pick(publishers[Number(value)]));
    const nav = el("nav", { class: "picker", "aria-label": "publishers" }, label);
    nav.picked = publisher => { label.querySelector("select").value = String(publishers.indexOf(publisher)); };
    return nav;
  }
  const tabs = publishers.map((publisher, n) => {
    const tab = el("button", { type: "button", role: "tab", "aria-controls": "publisher" }, named(publisher.name, 24));
    tab.addEventListener("click", () => pick(publisher));
    tab.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const to = (n + step + publishers.length) % publishers.length;
      pick(publishers[to]);
      tabs[to].focus();
    });
    return tab;
  });
  const nav = el("nav", { class: "picker", role: "tablist", "aria-label": "publishers" }, ...tabs);
  panel.setAttribute("role", "tabpanel");
  nav.picked = publisher => tabs.forEach((tab, n) => {
    const on = publishers[n] === publisher;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
  });
  return nav;
}

/** Notes by kind: leaks first, then what is made up and what failed, each in its colour; the first four are open. */
function notes() {
  const first = ["leak", "made up", "failed"];
  const rank = ([kind]) => (first.includes(kind) ? first.indexOf(kind) : first.length);
  const itemOf = ([kind, text]) => el("li", { class: kind.replace(" ", "-") }, plain(text));
  const items = sorted(contents.notes, rank, false).map(itemOf);
  const open = el("ul", { class: "notes" }, ...items.slice(0, 4));
  if (items.length <= 4) return [open];
  const folded = el("ul", { class: "notes" }, ...items.slice(4));
  return [open, el("details", {}, el("summary", {}, `${items.length - 4} more notes`), folded)];
}

function verdicts() {
  const { publishers } = contents;
  const items = publishers.map(publisher => {
    const [words, badge] = verdict(publisher);
    const name = el("button", { type: "button", class: "link" }, named(publisher.name));
    name.addEventListener("click", () => {
      pick(publisher);
      (picker ?? panel).scrollIntoView();
    });
    return el("li", {}, name, " ", el("span", { class: `badge ${badge}` }, BADGES[badge]), " ", ...words);
  });
  const question = el("h2", {}, "Which recommender is best, and is that certain?");
  const meaning = "Certain: every other one differs from the best at the 5 % level, after Holm's correction.";
  return el("section", { class: "verdicts" }, question, el("ul", {}, ...items), el("p", { class: "note" }, meaning));
}

function commands() {
  const words = contents.commands.join("\n");
  const button = el("button", { type: "button", class: "copy" }, "copy");
  button.addEventListener("click", async () => {
    const area = el("textarea", { value: words, class: "hidden" });
    document.body.append(area);
    area.select();
    // Files have no clipboard of their own in every browser; the old way works there.
    const newWay = async () => navigator.clipboard?.writeText(words).then(() => true, () => false);
    const copied = document.execCommand("copy") || (await newWay());
    area.remove();
    button.textContent = copied ? "copied" : "select and copy by hand";
    button.focus();
  });
  const box = el("div", { class: "commands" }, el("pre", { tabIndex: 0 }, words), button);
  return el("section", {}, el("h2", {}, "Make it again"), box);
}

function made() {
  const rows = contents.manifest.map(([label, words]) =>
    el("tr", {}, el("th", { scope: "row" }, plain(label)), el("td", {}, plain(words)))
  );
  const table = el("table", { class: "manifest" }, el("tbody", {}, ...rows));
  return el("section", {}, el("h2", {}, "How it was made"), boxed(table));
}

function footnotes() {
  const groups = new Map(); // a metric without its cut-off → its cut-offs
  for (const metric of new Set(contents.publishers.flatMap(publisher => publisher.metrics))) {
    const [name, cut] = textOf(metric).split("@");
    if (!groups.has(name)) groups.set(name, { ...headings[metric], cuts: [] });
    if (cut) groups.get(name).cuts.push(` @${cut}`);
  }
  const direction = { true: "more is better", false: "less is better", null: "describes, does not judge" };
  const items = [...groups].flatMap(([name, { cuts, unit, meaning, higher_is_better: higher }]) => [
    el("dt", {}, name + cuts.join(""), el("small", {}, unit ? ` ${unit}` : "")),
    el("dd", {}, `${meaning}; ${direction[String(higher)]}`),
  ]);
  return el("section", {}, el("h2", {}, "What the metrics mean"), el("dl", { class: "footnotes" }, ...items));
}

const { publishers } = contents;
picker = publishers.length > 1 ? pickerOf(publishers) : null;
document.getElementById("page").append(
  el(
    "header",
    {},
    el("h1", {}, short(contents.title, 120)),
    ...notes(),
    el("p", { class: "note" }, plain(contents.interval)),
    verdicts()
  ),
  ...(picker ? [picker] : []),
  panel,
  ...(publishers.length > 1 ? [heatMap()] : []),
  made(),
  commands(),
  footnotes()
);
if (publishers.length) pick(publishers[0]);
