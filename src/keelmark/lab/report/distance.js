"use strict";

/* How far accounts are from liquidation, instant by instant. */

const CLOSE = 0.15;
const FAR = 0.3;
const FRAME_MS = 90;

const edgeText = (edge) =>
  percent(edge, Math.abs(edge * 100 - Math.round(edge * 100)) < 1e-6 ? 0 : 1);

function distances() {
  const data = report.distances;
  const box = document.getElementById("distance-chart");
  const range = document.getElementById("distance-time");
  const play = document.getElementById("distance-play");
  const span = data.t[data.t.length - 1] - data.t[0];
  const last = data.t.length - 1;
  const until = (limit) => data.edges[lastBelow(data.edges, limit + 1e-9)];
  const close = until(CLOSE);
  const watch = until(FAR);
  const state = { at: data.start, by: "accounts", playing: 0 };
  const zones = [
    { kind: "liquidated", label: "liquidated" },
    { kind: "close", label: `close, below ${edgeText(close)}` },
    { kind: "watch", label: `watch, to ${edgeText(watch)}` },
    { kind: "far", label: "far" },
    { kind: "unreachable", label: "out of reach" },
  ];
  const write = readout(document.getElementById("distance-readout"), [
    { label: "time, UTC" },
    ...zones,
  ]);
  let show = () => {};

  const zoneOf = (k) => (data.edges[k] < close ? "close" : data.edges[k] < watch ? "watch" : "far");

  /** Values at a point between two instants: what the picture shows while it moves. */
  function between(rows, at) {
    const i = Math.floor(at);
    const part = at - i;
    const next = rows[Math.min(i + 1, last)];
    if (!Array.isArray(next)) return rows[i] + (next - rows[i]) * part;
    return rows[i].map((value, k) => value + (next[k] - value) * part);
  }

  function sums(at) {
    const bins = between(data[state.by], at);
    const ends =
      state.by === "accounts"
        ? [data.liquidatedAccounts, data.unreachableAccounts]
        : [data.liquidatedNotional, data.unreachableNotional];
    const found = {
      liquidated: between(ends[0], at),
      close: 0,
      watch: 0,
      far: 0,
      unreachable: between(ends[1], at),
    };
    bins.forEach((value, k) => (found[zoneOf(k)] += value));
    return { bins, found };
  }

  function announce() {
    const i = Math.round(state.at);
    const { found } = sums(i);
    const total = zones.reduce((all, zone) => all + found[zone.kind], 0) || 1;
    const figure = state.by === "accounts" ? count : compact;
    const values = zones.map(
      (zone) => `${figure(found[zone.kind])} (${percent(found[zone.kind] / total)})`,
    );
    write([moment(data.t[i], span), ...values]);
    range.value = state.at;
    range.setAttribute(
      "aria-valuetext",
      `${moment(data.t[i], span)}, ${zones.map((zone, z) => `${zone.label} ${values[z]}`).join(", ")}`,
    );
    show(state.at);
  }

  function draw(parent, width) {
    const left = 46;
    const right = width - 20;
    const top = 64;
    const tall = width < PHONE_WIDTH ? 180 : 220;
    const floor = top + tall;
    const root = canvas(parent, width, floor + 118, "Accounts by distance to liquidation");
    const bins = data.edges.length - 1;
    const x = linear(0, bins, left, right);
    const most = largest(data[state.by].map((row) => largest(row))) || 1;
    const y = linear(0, most * 1.06, floor, top);
    const unit = state.by === "accounts" ? "accounts" : `notional, ${report.currency}`;
    for (const value of ticks(0, most, 4)) {
      svg(root, "line", {
        class: value ? "grid" : "axis",
        x1: left,
        x2: right,
        y1: y(value),
        y2: y(value),
      });
      svg(root, "text", { class: "tick end", x: left - 7, y: y(value) + 4 }, axisFigure(value));
    }
    svg(root, "text", { class: "panel-title", x: left, y: 12 }, `all ${unit}`);
    const title = width < PHONE_WIDTH ? unit : `${unit} by distance to liquidation`;
    svg(
      root,
      "text",
      { class: "panel-title", x: left, y: top - 10 },
      `${title}; outline: at the start`,
    );
    const every = Math.ceil(bins / ((right - left) / 44));
    for (let k = 0; k <= bins; k += every) {
      svg(root, "text", { class: "tick middle", x: x(k), y: floor + 16 }, edgeText(data.edges[k]));
    }
    const bars = Array.from({ length: bins }, (_, k) =>
      svg(root, "rect", {
        class: `zone-${zoneOf(k)}`,
        x: x(k) + 1,
        width: Math.max(x(k + 1) - x(k) - 2, 1),
      }),
    );
    const first = data[state.by][0];
    const outline = first
      .map((value, k) => `V${y(value).toFixed(1)}H${x(k + 1).toFixed(1)}`)
      .join("");
    svg(root, "path", { class: "ghost", d: `M${x(0)} ${floor}${outline}V${floor}` });
    let edge = 0;
    for (const zone of ["close", "watch", "far"]) {
      let end = edge;
      while (end < bins && zoneOf(end) === zone) end += 1;
      if (end > edge) {
        svg(root, "rect", {
          class: `zone-${zone}`,
          x: x(edge) + 1,
          y: floor + 24,
          width: x(end) - x(edge) - 2,
          height: 4,
        });
        svg(root, "text", { class: "tick middle", x: (x(edge) + x(end)) / 2, y: floor + 42 }, zone);
      }
      edge = end;
    }

    const parts = zones.map((zone) => ({
      zone,
      bar: svg(root, "rect", { class: `zone-${zone.kind}`, y: 18, height: 18 }),
      text: svg(root, "text", { class: `inside inside-${zone.kind} middle`, y: 31 }),
    }));

    const line = data.price;
    const known = line.filter((value) => value !== null);
    const py = linear(Math.min(...known), Math.max(...known), floor + 100, floor + 66);
    const px = linear(0, last, left + 8, right - 8);
    const path = line
      .map((value, i) =>
        value === null ? "" : `${i ? "L" : "M"}${px(i).toFixed(1)} ${py(value).toFixed(1)}`,
      )
      .join("");
    svg(root, "path", { class: "line-faint", d: path });
    svg(
      root,
      "text",
      { class: "panel-title", x: left, y: floor + 60 },
      report.timeline.prices[0].name,
    );
    svg(
      root,
      "text",
      { class: "tick middle", x: clamp(px(0), left + 14, right), y: floor + 114 },
      moment(data.t[0], span),
    );
    svg(root, "text", { class: "tick end", x: right, y: floor + 114 }, moment(data.t[last], span));
    const hand = svg(root, "line", { class: "hand", y1: floor + 62, y2: floor + 102 });
    const dot = svg(root, "circle", { class: "dot", r: 4 });

    show = (at) => {
      const { bins: values, found } = sums(at);
      values.forEach((value, k) =>
        set(bars[k], { y: y(value), height: Math.max(floor - y(value), 0) }, null),
      );
      const total = zones.reduce((all, zone) => all + found[zone.kind], 0) || 1;
      let from = left;
      for (const { zone, bar, text } of parts) {
        const size = (found[zone.kind] / total) * (right - left);
        set(bar, { x: from, width: Math.max(size - 1, 0) }, null);
        const label = `${zone.kind === "unreachable" ? "out of reach" : zone.kind} ${percent(found[zone.kind] / total, 0)}`;
        set(text, { x: from + size / 2 }, size > label.length * 7 ? label : "");
        from += size;
      }
      set(hand, { x1: px(at), x2: px(at) }, null);
      const here = between(line, at);
      set(dot, { cx: px(at), cy: py(here) }, null);
    };
    announce();
  }

  function stop() {
    cancelAnimationFrame(state.playing);
    state.playing = 0;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }

  function start() {
    if (state.at >= last) state.at = 0;
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    let before = null;
    let passed = 0;
    const frame = (now) => {
      passed += before === null ? 0 : now - before;
      before = now;
      const pause = reducedMotion.matches ? FRAME_MS * 8 : FRAME_MS;
      if (reducedMotion.matches) {
        if (passed >= pause) state.at = Math.min(Math.floor(state.at) + 1, last);
      } else {
        state.at = Math.min(state.at + passed / pause, last);
      }
      if (!reducedMotion.matches || passed >= pause) passed = 0;
      announce();
      if (state.at >= last) stop();
      else state.playing = requestAnimationFrame(frame);
    };
    state.playing = requestAnimationFrame(frame);
  }

  set(range, { min: 0, max: last, step: 1 }, null);
  const redraw = responsive(box, draw);
  range.addEventListener("input", () => {
    stop();
    state.at = Number(range.value);
    announce();
    refill();
  });
  play.addEventListener("click", () => (state.playing ? stop() : start()));
  const refill = tableBehind(document.getElementById("distance-table"), () => {
    const i = Math.round(state.at);
    const line = (label, accounts, notional) => [label, count(accounts), count(notional)];
    return {
      columns: [
        `distance at ${moment(data.t[i], span)} UTC`,
        "accounts",
        `notional, ${report.currency}`,
      ],
      lines: [
        line("liquidated so far", data.liquidatedAccounts[i], data.liquidatedNotional[i]),
        ...data.accounts[i].map((accounts, k) =>
          line(
            `${percent(data.edges[k])} \u2013 ${percent(data.edges[k + 1])}`,
            accounts,
            data.notional[i][k],
          ),
        ),
        line("out of reach", data.unreachableAccounts[i], data.unreachableNotional[i]),
      ],
    };
  });
  for (const input of document.querySelectorAll("input[name=distance-by]")) {
    input.addEventListener("change", () => {
      state.by = input.value;
      redraw();
    });
  }
  announce();
}

if (report.distances) distances();
