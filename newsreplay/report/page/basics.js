// Names, numbers, elements and the tooltip: what the tables and the plots share.
// Foreign text reaches the page through text nodes only: no script here has HTML parsed.
"use strict";

const { contents, headings, ranking } = JSON.parse(document.getElementById("data").textContent);

// ---- names

/** What `table` has of a name: one called "constructor" finds nothing that it did not bring. */
const lookup = (table, name) => (Object.hasOwn(table, name) ? table[name] : undefined);

/** An escape as in Python, as the tables have it. */
function escapeOf(sign) {
  const number = sign.codePointAt(0), digits = number.toString(16);
  const short = { 9: "\\t", 10: "\\n", 13: "\\r" }[number];
  if (short) return short;
  return number < 256 ? "\\x" + digits.padStart(2, "0")
    : number < 65536 ? "\\u" + digits.padStart(4, "0") : "\\U" + digits.padStart(8, "0");
}

/** A foreign name on one line: control and direction characters as escapes, no towers of accents. */
function plain(text) {
  const line = String(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escapeOf).replace(/(\p{M}{3})\p{M}+/gu, "$1");
  return line.trim() || "(no name)";
}

/** The same, without its middle if it is long. */
function short(text, most = 28) {
  const signs = Array.from(plain(text)); // code points: an emoji is not cut in half
  return signs.length <= most ? signs.join("") : signs.slice(0, most - 8).join("") + "…" + signs.slice(-7).join("");
}

// ---- numbers

const isNumber = value => typeof value === "number";
const scaleOf = metric => (headings[metric].unit === "%" ? 100 : 1);
const unitOf = metric => headings[metric].unit;
const textOf = metric => headings[metric].text;
const axisOf = metric => textOf(metric) + (unitOf(metric) ? ` (${unitOf(metric)})` : "");
const pointsOf = metric => (unitOf(metric) === "%" ? "points" : unitOf(metric)); // of a difference

function formatValue(value, metric, digits = 3) {
  return isNumber(value) ? (scaleOf(metric) * value).toFixed(digits).replace("-", "−") : "–";
}

/** Value, interval and n in words. */
function inFull([value, low, high, n], metric, digits = 4) {
  if (!isNumber(value)) return `no value (n = ${grouped(n)})`;
  const unit = unitOf(metric) ? " " + unitOf(metric) : "";
  const ends = [low, high].map(end => formatValue(end, metric, digits)).join(" to ");
  const interval = isNumber(low) && isNumber(high) ? ` (${ends})` : ", no interval";
  return `${formatValue(value, metric, digits)}${unit}${interval}, n = ${grouped(n)}`;
}

/** `[value, low, high]` of a cell in the unit of its metric; null where there is none. */
function scaled(cell, metric) {
  return [0, 1, 2].map(part => (isNumber(cell?.[part]) ? scaleOf(metric) * cell[part] : null));
}

const grouped = count => (isNumber(count) ? count.toLocaleString("en") : "?");
const signed = text => (text.startsWith("−") ? text : `+${text}`);
const chance = p => (!isNumber(p) ? "–" : p < 0.001 ? "<0.001" : p.toFixed(3));
const percent = share => `${(100 * share).toFixed(1)} %`;
const compact = value => (value >= 1000 ? grouped(Math.round(value)) : value === 0 ? "0" : value.toPrecision(3));

function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, count < 1000 ? 0 : Math.floor(Math.log10(count) / 3));
  return `${compact(count / 1000 ** step)} ${units[step]}`;
}

/** The sort order of a metric: true where more is better; what only describes sorts from the top, too. */
const moreFirst = metric => headings[metric].higher_is_better !== false;

/** `items` by `value`, what has none last in both directions; equal ones stay in order. */
function sorted(items, value, down) {
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  return items
    .map(item => [value(item), item])
    .sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : down ? compare(b, a) : compare(a, b)))
    .map(([, item]) => item);
}

// ---- elements

/** An element with these properties (or attributes, as `class`, `role`, `aria-…`); strings in it become text. */
function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (/^(class|role|for|scope|(aria|data)-.*)$/.test(key)) node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.filter(child => child !== null));
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** A name in a sentence: isolated, lest a right-to-left one turns its neighbours around. */
const named = (text, most) => el("bdi", { class: "name", title: plain(text) }, short(text, most));

/** A name at the head of a row: without room it loses its middle, never its end, which mostly tells specs apart. */
function headOfRow(text) {
  const signs = Array.from(plain(text));
  const end = Math.max(0, signs.length - 8);
  const parts = [signs.slice(0, end), signs.slice(end)].map(part => el("span", {}, part.join("")));
  return el("bdi", { class: "name cut", title: plain(text) }, ...parts);
}

function choice(label, options, chosen, change) {
  const select = el("select", {}, ...options.map(([value, text]) => el("option", { value }, text)));
  select.value = chosen;
  select.addEventListener("change", () => change(select.value));
  return el("label", { class: "choice" }, label + " ", select);
}

// ---- the tooltip: one for the whole page; lines of text, some with the colour of a series before them

const tip = document.getElementById("tip");
let tipStays = false; // shown by the keyboard, which may itself have scrolled the page

/** Show `lines` (texts, or `{text, series}` with the number of a colour) near a point of the window. */
function showTip(lines, x, y, stays = false) {
  tip.replaceChildren(
    ...lines.map(line =>
      el("div", {}, line.series === undefined ? null : el("i", { class: `swatch s${line.series}` }), line.text ?? line)
    )
  );
  tip.hidden = false;
  tipStays = stays;
  const { width, height } = tip.getBoundingClientRect();
  const room = document.documentElement;
  tip.style.left = `${Math.max(4, Math.min(x + 14, room.clientWidth - width - 4))}px`;
  tip.style.top = `${Math.max(4, y + 18 + height > room.clientHeight ? y - height - 12 : y + 18)}px`;
}

function hideTip() {
  tip.hidden = true;
}

addEventListener("scroll", () => tipStays || hideTip(), { capture: true, passive: true });
addEventListener("keydown", event => event.key === "Escape" && hideTip());
