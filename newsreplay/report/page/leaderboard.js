// A publisher's rows: who is best, and the leaderboard.
"use strict";

const MOST_DRAWN = 200; // rows of a leaderboard that are drawn before somebody asks for all

// ---- a publisher's rows

const resultOf = (row, metric) => row.results[metric] ?? [null, null, null, null];

const failed = row => row.status === "failed";
const isOrdinary = row => !failed(row) && !row.foresees;

/** Rows that are drawn, best first: also those that were given the future, which are neither ranked nor the best. */
function ordinary(publisher) {
  const value = row => resultOf(row, publisher.headline)[0];
  const rows = publisher.rows.filter(row => isOrdinary(row) && isNumber(value(row)));
  return sorted(rows, value, moreFirst(publisher.headline));
}

/** Those of them that can be ranked. */
const competitors = publisher => ordinary(publisher).filter(row => !row.leaks);

/** Who is best, and whether that is certain: `[words, name of a badge]`. */
function verdict(publisher) {
  const metric = publisher.headline;
  const rows = competitors(publisher);
  if (!rows.length) return [["No recommender has a value here."], "unknown"];
  const [best] = rows;
  const value = row => resultOf(row, metric)[0];
  if (value(best) === 0) return [[`Nobody has more than nothing here: ${textOf(metric)} is 0.`], "unknown"];
  const equal = rows.filter(row => value(row) === value(best));
  const rest = rows.slice(equal.length);
  const words = [named(best.recommender)];
  if (equal.length > 1) words.push(` and ${others(equal.length - 1)}, all equal,`);
  const leads = rows.length === 1 ? "is the only one to rank" : equal.length > 1 ? "lead" : "leads";
  words.push(` ${leads}: ${textOf(metric)} ${inFull(resultOf(best, metric), metric, 3)}. `);
  if (!rest.length) return [words, equal.length > 1 ? "uncertain" : "unknown"];
  if (!rest.every(row => row.against_best))
    return [[...words, "Whether that is certain is not known: differences lack their intervals."], "unknown"];
  const close = rest.filter(row => !(row.against_best[3] < 0.05));
  const next = close[0] ?? rest[0];
  const [, , , p] = next.against_best;
  const lead = `${differenceInFull(next.against_best, metric)}, p ${chance(p).replace(/^(?=\d)/, "= ")}.`;
  if (!close.length)
    return [[...words, "All others are worse beyond chance; next is ", named(next.recommender), `: ${lead}`], "certain"];
  const many = close.length > 1 ? ` and ${others(close.length - 1)}` : "";
  return [[...words, "But ", named(next.recommender), many, ` may be as good: ${lead}`], "uncertain"];
}

/** A difference with its interval, in points. */
function differenceInFull([difference, low, high], metric) {
  const ends = [low, high].map(end => signed(formatValue(end, metric))).join(" to ");
  const interval = isNumber(low) && isNumber(high) ? ` (${ends})` : "";
  return `${signed(formatValue(difference, metric))} ${pointsOf(metric)}${interval}`;
}

const others = count => `${count} ${count === 1 ? "other" : "others"}`;

const BADGES = { certain: "certain", uncertain: "not certain", unknown: "not known" };

// ---- the reader's choices, by publisher

const states = new Map();

function stateOf(publisher) {
  if (!states.has(publisher)) {
    const cut = publisher.headline.split("@")[1];
    const both = [`session_success@${cut}`, `event_success@${cut}`];
    const usual = [publisher.headline, ...both, "auc", "ndcg@10", "session_ndcg@10"];
    const known = usual.filter((metric, n) => publisher.metrics.includes(metric) && usual.indexOf(metric) === n);
    states.set(publisher, {
      sort: usualSort(publisher),
      filter: "",
      drawAll: false,
      columns: new Set([...known.slice(0, 4), "difference", "p", ...usualCosts(publisher)]),
      series: defaultSeries(publisher),
      slice: 0,
      metric: publisher.headline,
    });
  }
  return states.get(publisher);
}

/** The costs of training are shown where a recommender was trained; so is memory, which is then large. */
function usualCosts(publisher) {
  const trained = publisher.rows.some(row => isNumber(row.cost?.train_s));
  return [...(trained ? ["train_s", "update_s", "answer_ms", "state_bytes"] : []), "us_per_event", "p95_ms"];
}

function usualSort(publisher) {
  const isRanked = publisher.rows.some(row => row.rank);
  return isRanked ? { key: "rank", down: false } : { key: publisher.headline, down: moreFirst(publisher.headline) };
}

/** The four best, one of each value: lines of equal recommenders lie on each other and show nothing. */
function defaultSeries(publisher) {
  const value = row => resultOf(row, publisher.headline)[0];
  const distinct = ordinary(publisher).filter((row, n, rows) => !n || value(row) !== value(rows[n - 1]));
  return Array.from({ length: MOST_SERIES }, (_, n) => (n < 4 ? distinct[n] ?? null : null));
}

// ---- the leaderboard

const COSTS = {
  train_s: ["train s", "seconds of fitting on the warm-up", value => compact(value)],
  update_s: ["update s", "seconds of fitting after the warm-up", value => compact(value)],
  answer_ms: ["answer ms", "time per answer: mean of those worked out together, else median", value => compact(value)],
  us_per_event: ["µs / event", "time to learn and answer, per event of the log", value => compact(value)],
  state_bytes: ["state", "memory of what was learned", value => bytes(value)],
  p50_ms: ["p50 ms", "median answer time", value => compact(value)],
  p95_ms: ["p95 ms", "95th percentile of the answer time", value => compact(value)],
  p99_ms: ["p99 ms", "99th percentile of the answer time", value => compact(value)],
  max_ms: ["max ms", "longest answer time", value => compact(value)],
  parameters: ["parameters", "numbers that are fitted", value => grouped(value)],
  late: ["late", "share of answers beyond the deadline", value => percent(value)],
};

const PARETO = "Pareto-optimal: nothing is both better and cheaper";

/** The columns: `value` sorts (null = missing, always last), `fill` fills a cell, `tips` are its exact numbers. */
function columnsOf(publisher) {
  const { headline } = publisher;
  const best = competitors(publisher)[0];
  const against = row => (row === best ? null : row.against_best);
  const rank = {
    key: "rank",
    label: "rank",
    meaning: `rank by ${textOf(headline)}, with the range that paired tests of all pairs leave it`,
    value: row => row.rank?.[0] ?? null,
    fill: (cell, row) => {
      if (!row.rank) return cell.append("–");
      const [at, low, high] = row.rank;
      cell.append(el("b", {}, String(at)), low === high ? "" : ` ${low}–${high}`);
    },
    tips: row => (row.rank ? [rankInFull(row)] : []),
  };
  const recommender = {
    key: "recommender",
    label: "recommender",
    meaning: "as named on the command line",
    value: row => plain(row.recommender),
    fill: (cell, row) => {
      cell.append(headOfRow(row.recommender));
      if (row.pareto) cell.append(el("span", { class: "pareto", title: PARETO }, " ◆"));
    },
    tips: row => [
      plain(row.recommender),
      ...(row.leaks ? [`leaks, so it is not ranked: ${plain(row.leaks)}`] : []),
      ...(row.pareto ? [`◆ ${PARETO}`] : []),
    ],
  };
  const difference = {
    key: "difference",
    label: "to best",
    meaning: `difference to the best in ${textOf(headline)}, paired, with its 95 % interval`,
    down: true,
    value: row => (row === best ? 0 : row.against_best?.[0] ?? null),
    fill: (cell, row) =>
      cell.append(row === best ? "best" : against(row) ? signed(formatValue(against(row)[0], headline)) : "–"),
    tips: row => {
      if (!against(row)) return [];
      const toWhom = `${differenceInFull(against(row), headline)} to ${short(best.recommender)}`;
      return [toWhom, `p ${chance(against(row)[3])} after Holm's correction`];
    },
  };
  const p = {
    key: "p",
    label: "p (Holm)",
    meaning: "chance of such a difference if there were none, Holm-corrected for all comparisons",
    value: row => against(row)?.[3] ?? null,
    fill: (cell, row) => cell.append(chance(against(row)?.[3])),
    tips: difference.tips,
  };
  const metrics = publisher.metrics.map(metric => {
    const whisker = whiskers(publisher, metric);
    return {
      key: metric,
      label: textOf(metric),
      unit: unitOf(metric),
      meaning: headings[metric].meaning,
      down: moreFirst(metric),
      isMetric: true,
      value: row => resultOf(row, metric)[0],
      fill: (cell, row) => {
        const value = resultOf(row, metric)[0];
        const isBest = metric === headline && best && !row.foresees && !row.leaks && value === resultOf(best, metric)[0];
        if (isBest) cell.classList.add("best");
        cell.append(isBest ? "★ " : "", formatValue(value, metric), " ", whisker(row));
      },
      tips: row => [short(row.recommender), `${textOf(metric)} ${inFull(resultOf(row, metric), metric)}`],
    };
  });
  const costs = Object.entries(COSTS)
    .filter(([key]) => publisher.rows.some(row => isNumber(row.cost?.[key])))
    .map(([key, [label, meaning, format]]) => {
      const value = row => row.cost?.[key] ?? null;
      const has = row => isNumber(value(row));
      const tips = row => (has(row) ? [short(row.recommender), `${meaning}: ${value(row)} (${label})`] : []);
      const fill = (cell, row) => cell.append(has(row) ? format(value(row)) : "–");
      return { key, label, meaning, value, tips, fill };
    });
  const ranking = metrics.filter(column => column.key === headline);
  for (const column of [rank, recommender, ...ranking]) column.fixed = true; // cannot be taken out
  return [rank, recommender, ...ranking, difference, p, ...metrics.filter(column => !column.fixed), ...costs];
}

/** Draws a value with its interval, on the scale of all competitors' intervals. */
function whiskers(publisher, metric) {
  const cells = publisher.rows.filter(isOrdinary).map(row => resultOf(row, metric).slice(0, 3));
  const x = linear(...extent(cells.flat()), 2, 62);
  return row => {
    const [value, low, high] = resultOf(row, metric);
    const drawing = svg("svg", { class: "whisker", width: 64, height: 12, "aria-hidden": "true" });
    if (!isNumber(value) || row.foresees) return drawing;
    const range = { x: x(low), y: 3, width: Math.max(1, x(high) - x(low)), height: 6, class: "range" };
    if (isNumber(low) && isNumber(high)) drawing.append(svg("rect", range));
    drawing.append(line(x(value), 0, x(value), 12, "at"));
    return drawing;
  };
}

function leaderboard(publisher) {
  const state = stateOf(publisher);
  const all = columnsOf(publisher);
  const table = el("table", { class: "leaderboard" });
  const box = el("div", { class: publisher.rows.length > 40 ? "box long" : "box" }, table);
  const count = el("p", { class: "note", role: "status" });
  const filter = el("input", { type: "search", placeholder: "trend, circular", autocomplete: "off" });
  filter.value = state.filter;
  const groups = [
    ["", publisher.rows.filter(isOrdinary)],
    ["These foresee: they show what is possible and are not ranked.", publisher.rows.filter(row => row.foresees)],
    ["These failed.", publisher.rows.filter(row => failed(row) && !row.foresees)],
  ];
  const drawn = new Map(); // row → its element; made once, then moved about

  const columns = () => all.filter(column => column.fixed || state.columns.has(column.key));
  const element = row => {
    if (!drawn.has(row)) drawn.set(row, rowElement(row, columns()));
    return drawn.get(row);
  };

  function heads() {
    const cells = columns().map(column => {
      const { key, down } = state.sort;
      const sort = column.key !== key ? "none" : down ? "descending" : "ascending";
      const unit = column.unit ? el("small", {}, ` ${column.unit}`) : null;
      const button = el("button", { type: "button", title: column.meaning }, column.label, unit);
      button.addEventListener("click", () => {
        state.sort = { key: column.key, down: column.key === key ? !down : Boolean(column.down) };
        heads();
        rows();
        table.tHead.querySelector(`[data-key="${column.key}"] button`).focus();
      });
      return el("th", { scope: "col", "aria-sort": sort, "data-key": column.key }, button);
    });
    table.tHead?.remove();
    table.prepend(el("thead", {}, el("tr", {}, ...cells)));
  }

  function rows() {
    const words = state.filter.toLowerCase().split(/[\s,]+/).filter(Boolean);
    const wanted = row => !words.length || words.some(word => plain(row.recommender).toLowerCase().includes(word));
    const by = all.find(column => column.key === state.sort.key) ?? all[0];
    let [matches, left] = [0, state.drawAll ? Infinity : MOST_DRAWN];
    const bodies = groups.map(([title, members]) => {
      const matching = sorted(members.filter(wanted), by.value, state.sort.down);
      const drawnRows = matching.slice(0, left);
      matches += matching.length;
      left -= drawnRows.length;
      const head = el("th", { class: "apart", scope: "rowgroup", colSpan: columns().length }, el("span", {}, title));
      return el("tbody", {}, title && matching.length ? el("tr", {}, head) : null, ...drawnRows.map(element));
    });
    for (const body of [...table.tBodies]) body.remove();
    table.append(...bodies);
    const total = publisher.rows.length;
    count.replaceChildren(`${grouped(matches)} of ${grouped(total)} recommenders. `);
    if (matches > MOST_DRAWN && !state.drawAll) {
      const more = el("button", { type: "button" }, `show all ${grouped(matches)}`);
      more.addEventListener("click", () => {
        state.drawAll = true;
        rows();
      });
      count.append(`The first ${MOST_DRAWN} are drawn: `, more);
    }
    const first = table.querySelector("td, tbody th[scope=row]");
    if (first && !table.querySelector("tbody [tabindex='0']")) first.tabIndex = 0;
  }

  function again() {
    drawn.clear();
    heads();
    rows();
  }

  filter.addEventListener("input", () => {
    state.filter = filter.value;
    rows();
  });
  listenCells(table);
  again();
  const tools = el("div", { class: "tools" }, el("label", {}, "Filter ", filter), chooser(publisher, all, again));
  const legend = `★ best · ◆ ${PARETO} ·
    numbers after a rank are the range that paired tests of all pairs leave it. Point at a cell, or walk with the arrow keys, for exact numbers.`;
  return el("div", {}, tools, count, box, el("p", { class: "note" }, legend));
}

function rowElement(row, columns) {
  const cells = [];
  for (const column of columns) {
    const isName = column.key === "recommender";
    const cell = isName ? el("th", { scope: "row" }) : el("td", { class: column.isMetric ? "metric" : "" });
    cell.tabIndex = -1;
    cell.tips = () => column.tips(row);
    cells.push(cell);
    if (failed(row) && column.isMetric) {
      const error = plain(row.error ?? "no reason was kept");
      cell.className = "error";
      cell.colSpan = columns.length - cells.length + 1;
      cell.append(`failed: ${error}`);
      cell.tips = () => [short(row.recommender), error];
      break;
    }
    column.fill(cell, row);
  }
  return el("tr", { class: row.foresees ? "foresees" : row.status }, ...cells);
}

/** Exact numbers on hover, tap and focus; one tab stop for the table, arrow keys inside it. */
function listenCells(table) {
  const cellOf = event => event.target.closest?.("tbody td, tbody th[scope=row]");
  const tell = (cell, x, y, stays) => {
    const lines = cell?.tips?.() ?? [];
    if (lines.length) showTip(lines, x, y, stays);
    else hideTip();
  };
  table.addEventListener("pointermove", event => tell(cellOf(event), event.clientX, event.clientY, false));
  table.addEventListener("pointerleave", hideTip);
  table.addEventListener("focusout", hideTip);
  table.addEventListener("focusin", event => {
    const cell = cellOf(event);
    if (!cell || !cell.matches(":focus-visible")) return;
    const frame = cell.getBoundingClientRect();
    tell(cell, frame.left, frame.bottom - 12, true);
  });
  table.addEventListener("keydown", event => {
    const cell = cellOf(event);
    const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
    const [down, right] = steps[event.key] ?? [0, 0];
    if (!cell || (!down && !right)) return;
    event.preventDefault();
    const rows = [...table.querySelectorAll("tbody tr")].filter(row => row.querySelector("[scope=row]"));
    const row = rows[rows.indexOf(cell.parentNode) + down];
    const next = row?.cells[Math.min(cell.cellIndex + right, row.cells.length - 1)];
    if (!next) return;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
    next.focus({ preventScroll: true });
  });
}

function chooser(publisher, all, again) {
  const state = stateOf(publisher);
  const boxes = all.filter(column => !column.fixed).map(column => {
    const check = el("input", { type: "checkbox", checked: state.columns.has(column.key), value: column.key });
    check.addEventListener("change", () => {
      if (check.checked) state.columns.add(column.key);
      else state.columns.delete(column.key);
      if (!check.checked && state.sort.key === column.key) state.sort = usualSort(publisher);
      again();
    });
    return el("label", { title: column.meaning }, check, " ", column.label);
  });
  return el("details", { class: "chooser" }, el("summary", {}, "Columns"), el("div", { class: "boxes" }, ...boxes));
}
