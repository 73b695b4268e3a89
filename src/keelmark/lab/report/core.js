"use strict";

/* What every picture shares: the data, drawing, scales, figures and times. */

const report = JSON.parse(document.getElementById("report-data").textContent);
const svgNamespace = document.getElementById("keelmark").namespaceURI;
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

const PRINT_WIDTH = 1040;
const PHONE_WIDTH = 620;
const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
const THIN = "\u202f";
const MINUS = "\u2212";

/* ---- elements ---- */

function set(target, attributes, text) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) target.setAttribute(name, value);
  }
  if (text !== null) target.textContent = text;
  return target;
}

function svg(parent, name, attributes = {}, text = null) {
  return parent.appendChild(set(document.createElementNS(svgNamespace, name), attributes, text));
}

function html(parent, name, attributes = {}, text = null) {
  return parent.appendChild(set(document.createElement(name), attributes, text));
}

/** Draw into `box` now and whenever its width changes; on paper it has `paper` pixels. */
function responsive(box, draw, paper = PRINT_WIDTH) {
  let drawn = 0;
  let onPaper = false;
  const redraw = (width) => {
    if (width <= 0) return;
    drawn = width;
    box.replaceChildren();
    draw(box, width, onPaper);
  };
  const print = (starts) => {
    onPaper = starts;
    redraw(starts ? paper : box.clientWidth);
  };
  const toWidth = () => {
    if (!onPaper && Math.abs(box.clientWidth - drawn) >= 1) redraw(box.clientWidth);
  };
  new ResizeObserver(() => requestAnimationFrame(toWidth)).observe(box);
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  toWidth();
  return () => redraw(drawn || box.clientWidth);
}

function canvas(box, width, height, label) {
  const root = svg(box, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  svg(root, "title", {}, label);
  return root;
}

/** The width that the longest of some labels needs. */
function widest(root, kind, labels) {
  const widths = labels.map((label) => {
    const text = svg(root, "text", { class: kind }, label);
    const width = text.getBBox().width;
    text.remove();
    return width;
  });
  return Math.max(0, ...widths);
}

/** A `dl` of figures: returns a function that writes them. */
function readout(target, labels) {
  target.replaceChildren();
  const cells = labels.map(({ label, kind, wide }) => {
    const cell = html(target, "div", wide ? { class: "wide" } : {});
    html(cell, "dt", { class: kind ? `key key-${kind}` : "" }, label);
    return html(cell, "dd");
  });
  return (values) => values.forEach((value, index) => (cells[index].textContent = value));
}

/** Fill the table behind a picture when it is first opened, and again when what it shows changes. */
function tableBehind(details, rows) {
  const fill = () => {
    if (!details.open) return;
    const box = details.querySelector(".scroll");
    box.replaceChildren();
    const { columns, lines } = rows();
    const table = html(box, "table", { class: "figures" });
    const head = html(html(table, "thead"), "tr");
    columns.forEach((title) => html(head, "th", { scope: "col" }, title));
    const body = html(table, "tbody");
    for (const line of lines) {
      const row = html(body, "tr");
      line.forEach((value, index) => {
        html(row, index ? "td" : "th", index ? {} : { scope: "row" }, value);
      });
    }
  };
  details.addEventListener("toggle", fill);
  return fill;
}

/* ---- scales ---- */

function linear(low, high, start, end) {
  const slope = (end - start) / (high - low || 1);
  const scale = (value) => start + (value - low) * slope;
  scale.invert = (place) => low + (place - start) / slope;
  return scale;
}

/** Round values between low and high, about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) {
    found.push(i * step);
  }
  return found;
}

/** The same with a value above zero, however low the picture. */
function fewTicks(high) {
  const found = ticks(0, high, 2);
  return found.length > 1 ? found : ticks(0, high, 3);
}

function timeTicks(low, high, width) {
  const minutes = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080];
  const wanted = (high - low) / Math.max(2, Math.floor(width / 66));
  const step = (minutes.find((m) => m * MINUTE >= wanted) ?? 10080) * MINUTE;
  const found = [];
  for (let t = Math.ceil(low / step) * step; t <= high; t += step) found.push(t);
  return found;
}

/** Index of the last element that is not above `value`; 0 if all are. */
function lastBelow(values, value) {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

function nearestIndex(values, value) {
  const below = lastBelow(values, value);
  const above = Math.min(below + 1, values.length - 1);
  return Math.abs(values[above] - value) < Math.abs(values[below] - value) ? above : below;
}

const largest = (values) => values.reduce((most, value) => Math.max(most, value ?? 0), 0);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/* ---- figures and times ---- */

function decimals(value, digits) {
  const text = Math.abs(value).toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

/** About three digits and a scale: 61.3 M. */
function compact(value) {
  if (value === null) return "unknown";
  const size = Math.abs(value);
  for (const [factor, letter] of [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ]) {
    if (size >= factor * 0.9995) {
      const scaled = value / factor;
      const digits = Math.abs(scaled) >= 99.95 ? 0 : Math.abs(scaled) >= 9.995 ? 1 : 2;
      return decimals(scaled, digits) + THIN + letter;
    }
  }
  return decimals(value, Number.isInteger(value) || size >= 100 ? 0 : 2);
}

/** The same for an axis, where 20.0 M is 20 M. */
function axisFigure(value) {
  return compact(value)
    .replace(/(\.\d*?)0+(?=\D|$)/, "$1")
    .replace(/\.(?=\D|$)/, "");
}

const count = (value) => decimals(value, 0);

function percent(fraction, digits = 1) {
  return decimals(fraction * 100, digits) + THIN + "%";
}

function change(fraction, digits = 1) {
  const text = percent(fraction, digits);
  return fraction > 0 && /[1-9]/.test(text) ? "+" + text : text;
}

function price(value) {
  if (value === null) return "unknown";
  const size = Math.abs(value);
  const digits = size >= 10_000 ? 0 : size >= 100 ? 1 : size >= 1 ? 3 : 6;
  return decimals(value, digits);
}

function clock(time) {
  const text = new Date(time).toISOString();
  return time % MINUTE ? text.slice(11, 19) : text.slice(11, 16);
}

/** Time of day; the date as well where a run lasts longer than a day. */
function moment(time, span) {
  return span > DAY ? `${new Date(time).toISOString().slice(5, 10)} ${clock(time)}` : clock(time);
}

/** Make `box` a slider for people without a mouse: arrows, Page, Home and End call `move`. */
function keys(box, move) {
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
  const jumps = { PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
  box.addEventListener("keydown", (event) => {
    const by = steps[event.key] ?? jumps[event.key];
    if (by === undefined) return;
    event.preventDefault();
    move(by);
  });
}
