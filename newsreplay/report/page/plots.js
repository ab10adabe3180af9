// The plots: SVG drawn at the width that its box has, so that text keeps its size on a telephone.
"use strict";

const MOST_SERIES = 6; // lines and colours that can be distinguished
const MOST_POINTS = 60; // of a scatter plot: more crosses hide each other
const MOST_BARS = 40; // of a plot with a line of its own for each recommender
const LETTER = 6.2; // px, about the width of a letter of 11 px

// ---- a figure: a heading, a drawing that can be walked through with the pointer or the arrow keys, a note

/**
 * A figure. `draw(width)` returns `{height, nodes, marks, width?, label}`; `marks` are the places that have something
 * to tell: `{x, y, box?: [x, y, width, height], tip: lines}`. A drawing wider than its box scrolls inside it.
 */
function figure(title, draw, { note = null, controls = null, name = "" } = {}) {
  const box = el("div", { class: "box" });
  const node = el("figure", { class: "plot" }, el("figcaption", {}, el("h3", {}, title)), controls, box);
  if (name) node.setAttribute("data-plot", name);
  if (note) node.append(el("p", { class: "note" }, note));
  node.redraw = () => {
    const room = Math.max(240, box.clientWidth);
    const { width = room, height, nodes, marks, label } = draw(room);
    const ring = svg("g", { class: "ring" });
    const drawing = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: 0 });
    drawing.setAttribute("aria-label", `${title}. ${label ?? ""} Arrow keys read out its ${marks.length} values.`);
    drawing.append(...nodes, ring);
    listen(drawing, ring, marks);
    box.replaceChildren(drawing);
  };
  return node;
}

/** One line in place of a plot whose numbers the run does not have. */
const leftOut = (title, why) => el("p", { class: "note left-out" }, el("b", {}, title), ` is left out: ${why}.`);

function redrawAll() {
  for (const node of document.querySelectorAll("figure.plot")) node.redraw();
}

let lastWidth = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== lastWidth) redrawAll(); // a telephone's address bar changes the height only
  lastWidth = innerWidth;
});

function listen(drawing, ring, marks) {
  let current = -1;
  const away = ({ x, y, box }, at) =>
    box && at.x >= box[0] && at.x <= box[0] + box[2] && at.y >= box[1] && at.y <= box[1] + box[3]
      ? 0
      : box ? Infinity : Math.hypot(x - at.x, y - at.y);
  const show = (number, x, y, stays) => {
    current = number;
    const mark = marks[number];
    const [left, top, width, height] = mark.box ?? [mark.x - 7, mark.y - 7, 14, 14];
    ring.replaceChildren(svg("rect", { x: left, y: top, width, height, rx: mark.box ? 1 : 7 }));
    showTip(mark.tip, x, y, stays);
  };
  const hide = () => {
    ring.replaceChildren();
    hideTip();
  };
  drawing.addEventListener("pointermove", event => {
    const frame = drawing.getBoundingClientRect();
    const at = { x: event.clientX - frame.left, y: event.clientY - frame.top };
    let [nearest, least] = [-1, 24];
    marks.forEach((mark, number) => {
      const distance = away(mark, at);
      if (distance < least) [nearest, least] = [number, distance];
    });
    if (nearest >= 0) show(nearest, event.clientX, event.clientY, false);
    else hide();
  });
  drawing.addEventListener("pointerleave", hide);
  drawing.addEventListener("blur", hide);
  drawing.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!step || !marks.length) return;
    event.preventDefault();
    const number = Math.max(0, Math.min(marks.length - 1, current + step));
    const frame = drawing.getBoundingClientRect();
    show(number, frame.left + marks[number].x, frame.top + marks[number].y, true);
  });
}

// ---- scales, axes, signs

const linear = (low, high, from, to) => value => from + ((value - low) / (high - low || 1)) * (to - from);
const log = (low, high, from, to) => value => linear(Math.log(low), Math.log(high), from, to)(Math.log(value));

/** Least and greatest of what are numbers, from zero where that costs less than half the room. */
function extent(values) {
  const numbers = values.filter(isNumber);
  let [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  if (low > 0 && low < 0.5 * high) low = 0;
  if (low === high) [low, high] = low === 0 ? [0, 1] : [low - Math.abs(low) * 0.1, high + Math.abs(high) * 0.1];
  return low === 0 ? [0, high * 1.04] : [low - (high - low) * 0.04, high + (high - low) * 0.04];
}

function ticks(low, high, about) {
  const rough = (high - low) / Math.max(1, about);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find(factor => factor * unit >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, n) => {
    const value = (first + n) * step;
    return [value, Number(value.toPrecision(10)).toLocaleString("en", { maximumFractionDigits: 6 })];
  });
}

function logTicks(low, high) {
  const places = [];
  const factors = high / low < 300 ? [1, 2, 5] : [1];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value >= low && value <= high) places.push([value, String(Number(value.toPrecision(2)))]);
    }
  return places;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Round hours or days, UTC; a day's first tick names the day. */
function timeTicks(low, high, about) {
  const steps = [1, 2, 3, 6, 12, 24, 48, 168, 336, 720, 2160, 8766, 87660].map(hours => hours * HOUR);
  const step = steps.find(step => (high - low) / step <= about) ?? steps.at(-1);
  const places = [];
  for (let time = Math.ceil(low / step) * step; time <= high; time += step) {
    const date = new Date(time);
    const rough = high - low > 300 * DAY ? { month: "short", year: "numeric" } : { day: "numeric", month: "short" };
    const isDay = step >= DAY || time % DAY === 0;
    const day = date.toLocaleDateString("en-GB", { ...rough, timeZone: "UTC" });
    places.push([time, isDay ? day : date.toISOString().slice(11, 16)]);
  }
  return places;
}

function text(x, y, words, anchor = "start", name = "") {
  return svg("text", { x, y, "text-anchor": anchor, class: name }, words);
}

const line = (x1, y1, x2, y2, name) => svg("line", { x1, y1, x2, y2, class: name });

/** Grid, ticks and labels of a plane `{left, right, top, bottom}` with scales `x` and `y`. */
function axes(plane, x, y, xTicks, yTicks, xLabel, yLabel) {
  const { left, right, top, bottom } = plane;
  return [
    ...yTicks.map(([value]) => line(left, y(value), right, y(value), "grid")),
    ...xTicks.map(([value]) => line(x(value), top, x(value), bottom, "grid")),
    line(left, bottom, right, bottom, "axis"),
    ...yTicks.map(([value, words]) => text(left - 6, y(value) + 4, words, "end")),
    ...xTicks.map(([value, words]) => text(x(value), bottom + 16, words, "middle")),
    text(right, bottom + 34, xLabel, "end", "label"),
    text(2, top - 9, yLabel, "start", "label"),
  ];
}

/** Signs of the series, besides their colours: circle, square, triangle, diamond, triangle down, cross. */
const SIGNS = [
  r => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
  r => `M${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}Z`,
  r => `M0,${-1.2 * r}L${1.2 * r},${r}H${-1.2 * r}Z`,
  r => `M0,${-1.4 * r}L${1.4 * r},0L0,${1.4 * r}L${-1.4 * r},0Z`,
  r => `M0,${1.2 * r}L${1.2 * r},${-r}H${-1.2 * r}Z`,
  r => `M${-r},${-r}L${r},${r}M${-r},${r}L${r},${-r}`,
];

const sign = (series, x, y, r = 4) =>
  svg("path", { d: SIGNS[series](r), transform: `translate(${x},${y})`, class: `sign s${series}` });

/** Names beside points, each where it meets no other; where no place is free, the tooltip must do. */
function labels(points, right) {
  const taken = [];
  return points.flatMap(({ x, y, words, series }) => {
    const width = words.length * (LETTER + 1); // they are bold
    const places = [0, -14, 14, -28, 28, -42, 42].flatMap(down => [[x + 9, y + down], [x - 9 - width, y + down]]);
    const isFree = ([at, middle]) =>
      at >= 0 && at + width <= right && middle > 7 &&
      !taken.some(other => at < other.to && at + width > other.at && Math.abs(middle - other.middle) < 14);
    const free = places.find(isFree);
    if (!free) return [];
    const [at, middle] = free;
    taken.push({ at, middle, to: at + width });
    return [text(at, middle + 4, words, "start", `name s${series}`)];
  });
}

// ---- plots of points

/**
 * Rows as points. `x` and `y` give `[value, low?, high?]`, `tipOf` the lines of the tooltip; `front` are the rows a
 * step line joins: what is best at each cost.
 */
function scatter(title, name, rows, seriesOf, { x, y, tipOf, xLabel, yLabel, isLog = false, front = [], note = null }) {
  const all = rows.filter(row => isNumber(x(row)[0]) && isNumber(y(row)[0]) && !(isLog && x(row)[0] <= 0));
  const drawn = all.filter((row, number) => number < MOST_POINTS || seriesOf(row) >= 0 || front.includes(row));
  const limit = drawn.length < all.length ? `The ${drawn.length} best of ${all.length} recommenders are drawn. ` : "";
  const draw = width => {
    const height = Math.round(Math.min(420, Math.max(280, width * 0.55)));
    const plane = { left: 46, right: width - 20, top: 30, bottom: height - 42 };
    const [low, high] = isLog
      ? [Math.min(...drawn.map(row => x(row)[0])) / 1.5, Math.max(...drawn.map(row => x(row)[0])) * 1.5]
      : extent(drawn.flatMap(x));
    const [least, most] = extent(drawn.flatMap(y));
    const across = (isLog ? log : linear)(low, high, plane.left, plane.right);
    const up = linear(least, most, plane.bottom, plane.top);
    const xTicks = isLog ? logTicks(low, high) : ticks(low, high, width / 90);
    const nodes = axes(plane, across, up, xTicks, ticks(least, most, 6), xLabel, yLabel);
    const at = row => ({ x: across(x(row)[0]), y: up(y(row)[0]) });
    if (front.length > 1) {
      const steps = sorted(front.filter(row => drawn.includes(row)), row => x(row)[0], false).map(at);
      const path = steps.map((point, n) => (n ? `H${point.x}V${point.y}` : `M${point.x},${point.y}`));
      nodes.push(svg("path", { d: `${path.join("")}H${plane.right}`, class: "front" }));
    }
    const coloured = drawn.filter(row => seriesOf(row) >= 0);
    const signs = [];
    for (const row of [...drawn.filter(row => seriesOf(row) < 0), ...coloured]) {
      const [, lowX, highX] = x(row);
      const [, lowY, highY] = y(row);
      const point = at(row);
      const series = seriesOf(row);
      const kind = `whisker ${series < 0 ? "other" : `s${series}`}`;
      if (isNumber(lowX) && isNumber(highX)) nodes.push(line(across(lowX), point.y, across(highX), point.y, kind));
      if (isNumber(lowY) && isNumber(highY)) nodes.push(line(point.x, up(lowY), point.x, up(highY), kind));
      if (series < 0) nodes.push(svg("circle", { cx: point.x, cy: point.y, r: 3, class: "other" }));
      else signs.push(sign(series, point.x, point.y));
    }
    const names = coloured.map(row => ({ ...at(row), words: short(row.recommender, 24), series: seriesOf(row) }));
    nodes.push(...labels(names, plane.right), ...signs);
    const marks = drawn.map(row => ({ ...at(row), tip: tipOf(row) }));
    return { height, nodes, marks, label: `${drawn.length} recommenders.` };
  };
  return figure(title, draw, { name, note: limit + (note ?? "") || null });
}

// ---- plots of lines

/** Success over time: a line and a band for each series; a gap where a stretch has no value. */
function overTime(title, data, series) {
  const { metric, starts, width: stretch } = data;
  const drawn = series.flatMap(({ row, series: number }) => {
    const cells = lookup(data.cells, row.recommender);
    return cells ? [{ row, number, cells, values: cells.map(cell => scaled(cell, metric)) }] : [];
  });
  const draw = width => {
    const height = 320;
    const plane = { left: 46, right: width - 20, top: 30, bottom: height - 42 };
    const [least, most] = extent(drawn.flatMap(({ values }) => values.flat()));
    const [first, last] = [starts[0], starts.at(-1) + stretch];
    const x = linear(first, last, plane.left, plane.right);
    const y = linear(least, most, plane.bottom, plane.top);
    const xTicks = timeTicks(first, last, width / 75);
    const nodes = axes(plane, x, y, xTicks, ticks(least, most, 6), "time (UTC)", axisOf(metric));
    for (const { number, values } of drawn) {
      const point = (n, part) => `${x(starts[n] + stretch / 2)},${y(values[n][part])}`;
      const band = stretches(values, ([, low, high]) => low !== null && high !== null).map(
        part => `M${[...part.map(n => point(n, 2)), ...part.map(n => point(n, 1)).reverse()].join("L")}Z`
      );
      const path = stretches(values, ([value]) => value !== null).map(
        part => `M${part.map(n => point(n, 0)).join("L")}`
      );
      nodes.push(svg("path", { d: band.join(""), class: `band s${number}` }));
      nodes.push(svg("path", { d: path.join(""), class: `line s${number}` }));
      const every = Math.ceil(values.length / 14); // signs, lest many of them hide the line
      values.forEach(([value], n) => {
        if (value === null || n % every !== Math.floor(every / 2)) return;
        nodes.push(sign(number, x(starts[n] + stretch / 2), y(value), 3));
      });
    }
    const marks = starts.map((start, n) => ({
      x: x(start + stretch / 2),
      y: plane.top,
      box: [x(start), plane.top, x(start + stretch) - x(start), plane.bottom - plane.top],
      tip: [
        `${new Date(start).toISOString().slice(0, 16).replace("T", " ")} UTC`,
        ...drawn.map(({ row, number, cells }) => ({
          series: number,
          text: `${short(row.recommender)}: ${inFull(cells[n] ?? [], metric)}`,
        })),
      ],
    }));
    return { height, nodes, marks, label: drawn.map(({ row }) => plain(row.recommender)).join(", ") + "." };
  };
  return figure(title, draw, { name: "time" });
}

/** The unbroken stretches of positions whose cells `has` accepts. */
function stretches(cells, has) {
  const parts = [];
  cells.forEach((cell, n) => {
    if (!has(cell)) return;
    if (n && parts.length && parts.at(-1).at(-1) === n - 1) parts.at(-1).push(n);
    else parts.push([n]);
  });
  return parts;
}

/** One metric by groups: dots with intervals side by side, joined by a line where the groups have an order. */
function slices(title, slice, metric, series) {
  const { groups } = slice;
  const drawn = series.flatMap(({ row, series: number }) => {
    const cells = lookup(slice.cells[metric] ?? {}, row.recommender);
    return cells ? [{ row, number, cells, values: groups.map((_, group) => scaled(cells[group], metric)) }] : [];
  });
  const draw = room => {
    const band = Math.max(8 + 7 * drawn.length, (room - 64) / groups.length);
    const width = Math.max(room, 64 + band * groups.length);
    const height = 320;
    const tilted = groups.some(group => plain(group).length > Math.floor((band - 4) / LETTER));
    const plane = { left: 46, right: 46 + band * groups.length, top: 30, bottom: height - (tilted ? 72 : 42) };
    const [least, most] = extent(drawn.flatMap(({ values }) => values.flat()));
    const y = linear(least, most, plane.bottom, plane.top);
    const x = group => plane.left + band * (group + 0.5);
    const nodes = axes(plane, x, y, [], ticks(least, most, 6), "", axisOf(metric));
    nodes.push(text(plane.left, height - 6, plain(slice.label), "start", "label"));
    groups.forEach((group, n) => {
      const label = text(x(n), plane.bottom + 16, short(group, tilted ? 12 : 40), tilted ? "end" : "middle");
      if (tilted) label.setAttribute("transform", `rotate(-35 ${x(n)} ${plane.bottom + 10})`);
      nodes.push(label);
    });
    drawn.forEach(({ number, values }, place) => {
      const at = group => x(group) + (place - (drawn.length - 1) / 2) * Math.min(12, (band - 6) / drawn.length);
      const parts = stretches(values, ([value]) => value !== null);
      const path = parts.map(part => `M${part.map(group => `${at(group)},${y(values[group][0])}`).join("L")}`);
      if (slice.by !== "category") nodes.push(svg("path", { d: path.join(""), class: `line thin s${number}` }));
      for (const group of parts.flat()) {
        const [value, low, high] = values[group];
        const kind = `whisker s${number}`;
        if (low !== null && high !== null) nodes.push(line(at(group), y(low), at(group), y(high), kind));
        nodes.push(sign(number, at(group), y(value), 3.5));
      }
    });
    const marks = groups.map((group, n) => ({
      x: x(n),
      y: plane.top,
      box: [x(n) - band / 2, plane.top, band, plane.bottom - plane.top],
      tip: [
        `${plain(slice.label)}: ${short(group)}`,
        ...drawn.map(({ row, number, cells }) => ({
          series: number,
          text: `${short(row.recommender)}: ${inFull(cells[n] ?? [], metric)}`,
        })),
      ],
    }));
    return { width, height, nodes, marks, label: `${groups.length} groups.` };
  };
  return figure(title, draw, { name: "slices" });
}

// ---- plots with a line of its own for each recommender

/** `marksOf(row, y, x, step)` draws one line of height `step` and returns `[nodes, marks]`. */
function ladder(title, name, rows, seriesOf, { domain, xTicks, xLabel, marksOf, over = () => [], legend = null }) {
  const drawn = rows.slice(0, MOST_BARS);
  const limit = drawn.length < rows.length ? `The ${drawn.length} best of ${rows.length} recommenders are drawn. ` : "";
  const step = 20;
  const draw = width => {
    const longest = Math.max(...drawn.map(row => short(row.recommender, 24).length));
    const left = Math.min(14 + longest * (LETTER + 0.6), width * 0.36);
    const letters = Math.max(9, Math.floor((left - 14) / (LETTER + 0.6)));
    const plane = { left, right: width - 16, top: 8, bottom: 8 + step * drawn.length };
    const height = plane.bottom + 40;
    const x = linear(...domain, plane.left, plane.right);
    const nodes = axes(plane, x, null, xTicks(plane.right - plane.left), [], xLabel, "");
    const marks = [];
    drawn.forEach((row, n) => {
      const y = plane.top + step * (n + 0.5);
      const series = seriesOf(row);
      nodes.push(text(left - 8, y + 4, short(row.recommender, letters), "end", series < 0 ? "" : `name s${series}`));
      const [drawing, rowMarks] = marksOf(row, y, x, step);
      nodes.push(...drawing);
      marks.push(...rowMarks);
    });
    nodes.push(...over(x, plane));
    return { height, nodes, marks, label: `${drawn.length} recommenders.` };
  };
  return figure(title, draw, { name, note: limit || null, controls: legend });
}

function rankInFull({ rank: [rank, low, high] }) {
  return low === high ? `rank ${rank}, certain` : `rank ${rank}; paired tests leave ${low} to ${high}`;
}

function rankRanges(title, rows, seriesOf) {
  const last = Math.max(...rows.slice(0, MOST_BARS).map(row => row.rank[2]), 2);
  return ladder(title, "ranks", rows, seriesOf, {
    domain: [0.5, last + 0.5],
    xTicks: width => ticks(1, last, Math.min(last, width / 40)).filter(([value]) => Number.isInteger(value)),
    xLabel: "rank, 1 = best",
    marksOf: (row, y, x) => {
      const [rank, low, high] = row.rank;
      const series = seriesOf(row);
      const kind = series < 0 ? "other" : `s${series}`;
      const dot = series < 0 ? svg("circle", { cx: x(rank), cy: y, r: 3.5, class: "other" }) : sign(series, x(rank), y);
      const words = rankInFull(row);
      const box = [x(low) - 8, y - 9, x(high) - x(low) + 16, 18];
      const range = line(x(low), y, x(high), y, `whisker wide ${kind}`);
      return [[range, dot], [{ x: x(rank), y, box, tip: [short(row.recommender), words] }]];
    },
  });
}

/** What became of the reads that could have been a hit: one stacked bar a recommender, and an oracle's ceiling. */
function misses(title, rows, causes, ceiling, seriesOf) {
  const legend = el("ul", { class: "legend" });
  // The last cause is all the rest, and mostly the largest: it stays in the background.
  const look = n => (n === causes.length - 1 ? "rest" : `c${n % 6}`);
  causes.forEach((cause, n) => legend.append(el("li", {}, el("i", { class: `swatch ${look(n)}` }), plain(cause))));
  const most = isNumber(ceiling) ? [100 * ceiling] : [];
  for (const share of most)
    legend.append(el("li", {}, el("i", { class: "swatch ceiling" }), `an oracle reaches ${share.toFixed(1)} %`));
  return ladder(title, "misses", rows, seriesOf, {
    domain: [0, 100],
    xTicks: width => ticks(0, 100, width / 70),
    xLabel: "share of the reads that could have been a hit (%)",
    legend,
    over: (x, { top, bottom }) => most.map(share => line(x(share), top - 4, x(share), bottom, "ceiling")),
    marksOf: (row, y, x, step) => {
      let from = 0;
      const parts = causes.map((cause, n) => {
        const share = row.misses[cause] ?? 0;
        const [left, right] = [x(100 * from), x(100 * (from += share))];
        const box = [left, y - step / 2 + 3, Math.max(0, right - left), step - 6];
        const bar = svg("rect", { x: box[0], y: box[1], width: box[2], height: box[3], class: `bar ${look(n)}` });
        const tip = [short(row.recommender), `${plain(cause)}: ${percent(share)}`];
        return [bar, { x: (left + right) / 2, y, box, tip, share }];
      });
      const visible = parts.filter(([, mark]) => mark.share > 0);
      return [visible.map(([bar]) => bar), visible.map(([, mark]) => mark)];
    },
  });
}
