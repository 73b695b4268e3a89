"use strict";

/* The big picture: price, liquidations, fund, backstop, deleveraging and stages on one time axis. */

function timeline() {
  const data = report.timeline;
  const box = document.getElementById("timeline-chart");
  const span = data.end - data.t[0];
  const ends = [...data.t.slice(1), data.end];

  /** What flows in the minute of each step; in a step longer than a minute, its mean. */
  function perMinute(values) {
    const sums = new Map();
    const minute = (i) => Math.floor(data.t[i] / MINUTE);
    values.forEach((value, i) => sums.set(minute(i), (sums.get(minute(i)) ?? 0) + value));
    return values.map((value, i) => {
      const length = ends[i] - data.t[i];
      return length > MINUTE ? (value * MINUTE) / length : sums.get(minute(i));
    });
  }

  const flows = {
    long: perMinute(data.long),
    short: perMinute(data.short),
    deleveraged: perMinute(data.deleveraged),
  };
  const state = { line: 0, zoomed: false, at: data.worst };
  const write = readout(document.getElementById("timeline-readout"), [
    { label: "time, UTC" },
    { label: "price" },
    { label: "longs per minute", kind: "long" },
    { label: "shorts per minute", kind: "short" },
    { label: "insurance fund", kind: "fund" },
    { label: "held by backstop", kind: "backstop" },
    { label: "ADL per minute", kind: "deleveraged" },
    { label: "units in stages", wide: true },
  ]);
  let pointTo = () => {};

  function active(index) {
    const busy = data.stages.filter((stage) => stage.units[index] > 0);
    return busy.map((stage) => `${stage.label} ${count(stage.units[index])}`).join(", ") || "none";
  }

  function announce() {
    const i = state.at;
    const line = data.prices[state.line];
    const first = line.v.find((value) => value !== null);
    const moved = line.v[i] === null ? "" : ` (${change(line.v[i] / first - 1)})`;
    const values = [
      `${moment(data.t[i], span)}\u2013${moment(ends[i], span)}`,
      price(line.v[i]) + moved,
      compact(flows.long[i]),
      compact(flows.short[i]),
      compact(data.fund[i]),
      compact(data.backstop[i]),
      compact(flows.deleveraged[i]),
      active(i),
    ];
    write(values);
    box.setAttribute("aria-valuenow", i);
    box.setAttribute(
      "aria-valuetext",
      `${values[0]}, ${line.name} ${values[1]}, longs ${values[2]}`,
    );
    pointTo(i);
  }

  function draw(parent, width, onPaper) {
    const phone = width < PHONE_WIDTH;
    const right = width - (phone ? 8 : 16);
    const [from, to] = state.zoomed ? data.focus : [data.t[0], data.end];
    const shown = data.t.map((_, i) => i).filter((i) => data.t[i] >= from && ends[i] <= to);
    const lanes = data.stages.filter((stage) => largest(stage.units) > 0);
    const heights = onPaper
      ? { price: 122, flow: 98, small: 34, lane: 15 } // the first screen is the first sheet
      : {
          price: phone ? 150 : 196,
          flow: phone ? 110 : 128,
          small: 58,
          lane: phone ? 24 : 17,
        };
    const gap = onPaper ? 23 : 30;
    const smalls = 2 + (largest(data.deleveraged) > 0 ? 1 : 0);
    const body = 24 + heights.price + gap + heights.flow + smalls * (heights.small + gap) + gap;
    const height = body + lanes.length * heights.lane + 34;
    const root = canvas(parent, width, height, "Price, liquidations, fund and stages over time");
    const labels = lanes.map((lane) => lane.label);
    const left = phone ? 46 : Math.max(104, Math.ceil(widest(root, "lane-label", labels)) + 10);
    const x = linear(from, to, left, right);
    const bands = svg(root, "g");
    const axis = timeTicks(from, to, right - left);
    let top = 24;

    /** One panel: title, grid and labels; returns its vertical scale. */
    function panel(title, size, [low, high], format, marks) {
      const y = linear(low, high, top + size, top);
      for (const t of axis)
        svg(root, "line", { class: "grid", x1: x(t), x2: x(t), y1: top, y2: top + size });
      for (const value of marks ?? ticks(low, high, size / 44)) {
        const zero = value === 0 ? "axis" : "grid";
        svg(root, "line", { class: zero, x1: left, x2: right, y1: y(value), y2: y(value) });
        svg(root, "text", { class: "tick end", x: left - 8, y: y(value) + 4 }, format(value));
      }
      svg(root, "text", { class: "panel-title", x: left, y: top - 9 }, title);
      top += size + gap;
      return y;
    }

    /** A filled outline that keeps one level through each step. */
    function skyline(values, y, kind) {
      const zero = y(0);
      const path = shown
        .map((i) => `V${y(values[i]).toFixed(1)}H${x(ends[i]).toFixed(1)}`)
        .join("");
      svg(root, "path", { class: `fill-${kind}`, d: `M${x(from)} ${zero}${path}V${zero}Z` });
    }

    function curve(values, y, kind) {
      let pen = "M";
      let path = "";
      for (const i of shown) {
        if (values[i] === null) pen = "M";
        else {
          path += `${pen}${x(ends[i]).toFixed(1)} ${y(values[i]).toFixed(1)}`;
          pen = "L";
        }
      }
      svg(root, "path", { class: `line-${kind}`, d: path });
    }

    function steps(values, y, kind) {
      const path = shown
        .map((i) => `V${y(values[i]).toFixed(1)}H${x(ends[i]).toFixed(1)}`)
        .join("");
      const start = y(values[shown[0]]);
      svg(root, "path", {
        class: `area-${kind}`,
        d: `M${x(from)} ${y(0)}V${start}${path}V${y(0)}Z`,
      });
      svg(root, "path", { class: `line-${kind}`, d: `M${x(from)} ${start}${path}` });
    }

    function pricePanel() {
      const line = data.prices[state.line];
      const first = line.v.find((value) => value !== null);
      const moves = line.v.map((value) => (value === null ? null : value / first - 1));
      const known = shown.map((i) => moves[i]).filter((value) => value !== null);
      const low = Math.min(0, ...known);
      const high = Math.max(0, ...known);
      const room = (high - low || 0.01) * 0.12;
      const fine = high - low < 0.02 ? 2 : high - low < 0.06 ? 1 : 0;
      const y = panel(
        `${line.name}, change since ${moment(data.t[0], span)}`,
        heights.price,
        [low - room, high + room * 0.5],
        (value) => change(value, fine),
      );
      curve(moves, y, "price");
      const worst = shown.reduce(
        (a, b) => (Math.abs(moves[b] ?? 0) > Math.abs(moves[a] ?? 0) ? b : a),
        shown[0],
      );
      if (!moves[worst]) return;
      const near = x(ends[worst]) > right - 150;
      svg(root, "circle", { class: "dot", cx: x(ends[worst]), cy: y(moves[worst]), r: 3.5 });
      svg(
        root,
        "text",
        {
          class: near ? "note end" : "note",
          x: x(ends[worst]) + (near ? -9 : 9),
          y: y(moves[worst]) + (moves[worst] < 0 ? 14 : -6),
        },
        `${change(moves[worst], Math.max(fine, 1))} at ${moment(ends[worst], span)}`,
      );
    }

    function flowPanel() {
      const up = largest(shown.map((i) => flows.long[i]));
      const down = largest(shown.map((i) => flows.short[i]));
      const top0 = top;
      const title = `liquidated per minute, ${report.currency}`;
      if (up + down === 0) {
        panel(title, heights.flow, [0, 1], axisFigure, [0]);
        svg(
          root,
          "text",
          { class: "note middle", x: (left + right) / 2, y: top0 + heights.flow / 2 },
          "nothing was liquidated",
        );
        return;
      }
      const reach = Math.max(up, down);
      const y = panel(
        title,
        heights.flow,
        [-Math.max(down, reach * 0.22), Math.max(up, reach * 0.22) * 1.2],
        (v) => axisFigure(Math.abs(v)),
      );
      skyline(flows.long, y, "long");
      skyline(
        flows.short.map((value) => -value),
        y,
        "short",
      );
      svg(root, "text", { class: "label-long", x: left + 5, y: top0 + 11 }, "longs \u2191");
      svg(
        root,
        "text",
        { class: "label-short", x: left + 5, y: top0 + heights.flow - 3 },
        "shorts \u2193",
      );
      const kind = up >= down ? "long" : "short";
      const peak = shown.reduce((a, b) => (flows[kind][b] > flows[kind][a] ? b : a), shown[0]);
      const near = x(ends[peak]) > right - 170;
      svg(
        root,
        "text",
        {
          class: near ? "note end" : "note",
          x: near ? x(ends[peak]) : Math.max(x(data.t[peak]), left + 58), // beside "longs"
          y: y(kind === "long" ? up : -down) + (kind === "long" ? -5 : 13),
        },
        `${compact(flows[kind][peak])} of ${kind}s at ${moment(Math.floor(data.t[peak] / MINUTE) * MINUTE, span)}`,
      );
    }

    function smallPanel(title, values, kind, isFlow) {
      const high = largest(shown.map((i) => values[i])) || 1;
      const y = panel(
        title,
        heights.small,
        [0, high * 1.12],
        axisFigure,
        largest(values) ? fewTicks(high) : [0],
      );
      if (isFlow) skyline(values, y, kind);
      else steps(values, y, kind);
    }

    /** Behind price and liquidations: the last stage that was needed in each step. */
    function stageBands(bottom) {
      const deepest = shown.map(
        (i) => data.stages.findLast((stage) => stage.units[i] > 0)?.stage ?? "",
      );
      let start = 0;
      for (let k = 1; k <= shown.length; k += 1) {
        if (k < shown.length && deepest[k] === deepest[start]) continue;
        const x0 = x(data.t[shown[start]]);
        const x1 = x(ends[shown[k - 1]]);
        if (deepest[start]) {
          svg(bands, "rect", {
            class: `band stage-${deepest[start]}`,
            x: x0,
            y: 24,
            width: x1 - x0,
            height: bottom - 24,
          });
        }
        start = k;
      }
    }

    function laneRows() {
      svg(root, "text", { class: "panel-title", x: left, y: top - 9 }, "stages at work");
      for (const lane of lanes) {
        const most = largest(lane.units);
        const y = top + (phone ? 12 : 3);
        const attributes = phone
          ? { class: "lane-label", x: left, y: top + 8 }
          : { class: "lane-label end", x: left - 8, y: top + 12 };
        svg(root, "text", attributes, lane.label);
        svg(root, "rect", { class: "lane", x: left, y, width: right - left, height: 10 });
        let start = 0;
        const level = (k) => Math.ceil(Math.sqrt(lane.units[shown[k]] / most) * 4);
        for (let k = 1; k <= shown.length; k += 1) {
          if (k < shown.length && level(k) === level(start)) continue;
          const x0 = x(data.t[shown[start]]);
          const width1 = Math.max(x(ends[shown[k - 1]]) - x0, 1);
          if (level(start) > 0) {
            svg(root, "rect", {
              class: `stage-${lane.stage} level-${level(start)}`,
              x: x0,
              y,
              width: width1,
              height: 10,
            });
          }
          start = k;
        }
        top += heights.lane;
      }
    }

    function timeAxis() {
      axis.forEach((t, i) => {
        const text = i ? moment(t, span) : `${moment(t, span)} UTC`;
        svg(
          root,
          "text",
          { class: "tick middle", x: Math.min(x(t), right - 14), y: height - 14 },
          text,
        );
      });
    }

    pricePanel();
    flowPanel();
    stageBands(top - gap);
    smallPanel(`insurance fund, ${report.currency}`, data.fund, "fund", false);
    smallPanel(`held by the backstop, ${report.currency}`, data.backstop, "backstop", false);
    if (smalls === 3)
      smallPanel(
        `auto-deleveraged per minute, ${report.currency}`,
        flows.deleveraged,
        "deleveraged",
        true,
      );
    if (lanes.length) laneRows();
    timeAxis();

    const hand = svg(bands, "line", { class: "hand", y1: 24, y2: height - 28 });
    pointTo = (i) => {
      const middle = (x(data.t[i]) + x(ends[i])) / 2;
      hand.setAttribute("x1", middle);
      hand.setAttribute("x2", middle);
      hand.style.visibility = middle < left || middle > right ? "hidden" : "visible";
    };
    root.addEventListener("pointermove", (event) => {
      const frame = root.getBoundingClientRect();
      const time = x.invert(((event.clientX - frame.left) * width) / frame.width);
      state.at = clamp(lastBelow(data.t, time), shown[0], shown[shown.length - 1]);
      announce();
    });
    announce();
  }

  set(
    box,
    {
      tabindex: 0,
      role: "slider",
      "aria-label": "Time of the replay",
      "aria-valuemin": 0,
      "aria-valuemax": data.t.length - 1,
    },
    null,
  );
  const redraw = responsive(box, draw);
  keys(box, (by) => {
    state.at = clamp(state.at + by, 0, data.t.length - 1);
    announce();
  });
  for (const input of document.querySelectorAll("input[name=line]")) {
    input.addEventListener("change", () => {
      state.line = Number(input.value);
      redraw();
    });
  }
  for (const input of document.querySelectorAll("input[name=zoom]")) {
    input.addEventListener("change", () => {
      state.zoomed = input.value === "focus";
      redraw();
    });
  }
  tableBehind(document.getElementById("timeline-table"), () => ({
    columns: [
      "step, UTC",
      ...data.prices.map((line) => line.name),
      "longs liquidated",
      "shorts liquidated",
      "deleveraged",
      "fund",
      "backstop",
      "units in stages",
    ],
    lines: data.t.map((t, i) => [
      `${moment(t, span)}\u2013${moment(ends[i], span)}`,
      ...data.prices.map((line) => price(line.v[i])),
      ...[data.long, data.short, data.deleveraged, data.fund, data.backstop].map((v) =>
        decimals(v[i], 2),
      ),
      active(i),
    ]),
  }));
}

timeline();
