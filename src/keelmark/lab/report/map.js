"use strict";

/* Liquidation maps: if this price moves and nothing else does, how much is liquidated? */

/** Running sums away from the present price, one per edge; `null` on the other side. */
function cumulated(map) {
  const edges = map.edges;
  const long = edges.map(() => ({ notional: 0, units: 0 }));
  const short = edges.map(() => ({ notional: 0, units: 0 }));
  for (let k = edges.length - 2; k >= 0; k -= 1) {
    long[k] = {
      notional: long[k + 1].notional + map.longNotional[k],
      units: long[k + 1].units + map.longUnits[k],
    };
  }
  for (let k = 1; k < edges.length; k += 1) {
    short[k] = {
      notional: short[k - 1].notional + map.shortNotional[k - 1],
      units: short[k - 1].units + map.shortUnits[k - 1],
    };
  }
  return { ...map, long, short, moves: edges.map((edge) => edge / map.price - 1) };
}

function liquidationMaps() {
  const frame = document.getElementById("maps");
  const range = document.getElementById("map-move");
  const choice = document.getElementById("map-instrument");
  const names = report.maps.instruments;
  const boxes = [...frame.querySelectorAll(".map")];
  const answers = [...frame.querySelectorAll(".answer")];
  const state = { instrument: 0, move: -0.07, maps: [], low: -1, high: 1, top: 1, bin: 1 };
  const redraws = [];
  const pointers = boxes.map(() => () => {});

  function choose(instrument) {
    state.instrument = instrument;
    state.maps = report.maps.moments.map((_, m) => {
      const found = report.maps.items.find(
        (item) => item.instrument === instrument && item.moment === m,
      );
      return found ? cumulated(found) : null;
    });
    const maps = state.maps.filter(Boolean);
    state.low = Math.min(...maps.map((map) => map.moves[0]), 0);
    state.high = Math.max(...maps.map((map) => map.moves[map.moves.length - 1]), 0);
    state.top =
      largest(
        maps.flatMap((map) => [map.long[0].notional, map.short[map.short.length - 1].notional]),
      ) || 1;
    state.bin = largest(maps.flatMap((map) => [...map.longNotional, ...map.shortNotional])) || 1;
    set(range, { min: state.low, max: state.high, step: (state.high - state.low) / 1000 }, null);
    state.move = clamp(state.move, state.low, state.high);
  }

  /** What lies between the present price and the edge nearest to the chosen move. */
  function reached(map) {
    const edge = nearestIndex(map.moves, state.move);
    const total = map.moves[edge] < 0 ? map.long[edge] : map.short[edge];
    return { edge, ...total };
  }

  function announce() {
    range.value = state.move;
    let spoken = "";
    state.maps.forEach((map, m) => {
      if (!map) {
        answers[m].textContent = "not recorded";
        return;
      }
      const { edge, notional, units } = reached(map);
      const move = map.moves[edge];
      const verb =
        Math.abs(move) < 1e-9
          ? "stays"
          : move < 0
            ? `falls ${percent(-move)}`
            : `rises ${percent(move)}`;
      answers[m].replaceChildren();
      answers[m].append(`If ${names[state.instrument]} ${verb} to ${price(map.edges[edge])}: `);
      html(answers[m], "strong", {}, `${count(units)} units, ${compact(notional)} ${report.currency}`);
      spoken += `${report.maps.moments[m]}: ${answers[m].textContent}. `;
      pointers[m](edge);
    });
    range.setAttribute("aria-valuetext", spoken);
  }

  function drawMap(m, parent, width) {
    const map = state.maps[m];
    if (!map) return;
    const left = 46;
    const right = width - 26;
    const tall = 190;
    const low = 74;
    const below = 22 + tall + 30;
    const root = canvas(
      parent,
      width,
      below + low + 44,
      `Liquidation map of ${names[state.instrument]}, ${report.maps.moments[m]}`,
    );
    const x = linear(state.low, state.high, left, right);
    const y = linear(0, state.top * 1.05, 22 + tall, 22);
    const bar = linear(0, state.bin * 1.05, below + low, below);
    const marks = ticks(state.low, state.high, (right - left) / 70);
    for (const move of marks) {
      svg(root, "line", { class: "grid", x1: x(move), x2: x(move), y1: 22, y2: below + low });
      svg(
        root,
        "text",
        { class: "tick middle", x: x(move), y: below + low + 16 },
        Math.abs(move) < 1e-9 ? "now" : change(move, 0),
      );
      if (width >= 420) {
        svg(
          root,
          "text",
          { class: "tick faint middle", x: x(move), y: below + low + 31 },
          price(map.price * (1 + move)),
        );
      }
    }
    for (const [scale, top, size] of [
      [y, state.top, 4],
      [bar, state.bin, 2],
    ]) {
      for (const value of ticks(0, top, size)) {
        svg(root, "line", {
          class: value ? "grid" : "axis",
          x1: left,
          x2: right,
          y1: scale(value),
          y2: scale(value),
        });
        svg(
          root,
          "text",
          { class: "tick end", x: left - 7, y: scale(value) + 4 },
          axisFigure(value),
        );
      }
    }
    svg(
      root,
      "text",
      { class: "panel-title", x: left, y: 12 },
      `liquidated on the way, ${report.currency}`,
    );
    svg(root, "text", { class: "panel-title", x: left, y: below - 9 }, "at each price");

    const sides = { long: [], short: [] };
    map.moves.forEach((move, k) => {
      if (move <= 1e-9) sides.long.unshift([move, map.long[k].notional]);
      if (move >= -1e-9) sides.short.push([move, map.short[k].notional]);
    });
    for (const [kind, points] of Object.entries(sides)) {
      if (!points.length) continue;
      const outline = points
        .map(([move, value]) => `L${x(move).toFixed(1)} ${y(value).toFixed(1)}`)
        .join("");
      const line = `M${x(0)} ${y(0)}${outline}`;
      const end = x(points[points.length - 1][0]);
      svg(root, "path", { class: `area-${kind}`, d: `${line}V${y(0)}Z` });
      svg(root, "path", { class: `line-${kind}`, d: line });
      const values = kind === "long" ? map.longNotional : map.shortNotional;
      values.forEach((value, k) => {
        if (!value) return;
        const x0 = x(map.moves[k]);
        svg(root, "rect", {
          class: `fill-${kind}`,
          x: x0,
          y: bar(value),
          width: Math.max(x(map.moves[k + 1]) - x0 - 0.5, 0.5),
          height: below + low - bar(value),
        });
      });
      const last = points[points.length - 1][1];
      const away = y(last) < 44 ? y(last) + 16 : y(last) - 7;
      svg(
        root,
        "text",
        {
          class: kind === "long" ? "label-long" : "label-short end",
          x: kind === "long" ? end + 4 : end - 4,
          y: away,
        },
        `${kind}s ${compact(last)}`,
      );
    }
    svg(root, "line", { class: "present", x1: x(0), x2: x(0), y1: 18, y2: below + low });
    svg(root, "text", { class: "note", x: x(0) + 6, y: 33 }, `now ${price(map.price)}`);
    const shade = svg(root, "rect", { class: "reached", y: 22, height: below + low - 22 });
    const hand = svg(root, "line", { class: "hand", y1: 22, y2: below + low });
    const dot = svg(root, "circle", { class: "dot", r: 4 });
    pointers[m] = (edge) => {
      const move = map.moves[edge];
      const total = move < 0 ? map.long[edge] : map.short[edge];
      set(hand, { x1: x(move), x2: x(move) }, null);
      set(dot, { cx: x(move), cy: y(total.notional) }, null);
      set(shade, { x: Math.min(x(move), x(0)), width: Math.abs(x(move) - x(0)) }, null);
    };
    root.addEventListener("pointermove", (event) => {
      const area = root.getBoundingClientRect();
      state.move = clamp(
        x.invert(((event.clientX - area.left) * width) / area.width),
        state.low,
        state.high,
      );
      announce();
    });
    announce();
  }

  choose(0);
  boxes.forEach((box, m) =>
    redraws.push(
      responsive(
        box,
        (parent, width) => drawMap(m, parent, width),
        PRINT_WIDTH / Math.min(boxes.length, 2),
      ),
    ),
  );
  range.addEventListener("input", () => {
    state.move = Number(range.value);
    announce();
  });
  const refill = tableBehind(document.getElementById("map-table"), () => ({
    columns: [
      "moment",
      "price from",
      "to",
      "longs liquidated",
      "units",
      "shorts liquidated",
      "units",
    ],
    lines: state.maps.flatMap((map, m) =>
      map
        ? map.longNotional.map((value, k) => [
            report.maps.moments[m],
            price(map.edges[k]),
            price(map.edges[k + 1]),
            count(value),
            count(map.longUnits[k]),
            count(map.shortNotional[k]),
            count(map.shortUnits[k]),
          ])
        : [],
    ),
  }));
  choice?.addEventListener("change", () => {
    choose(Number(choice.value));
    redraws.forEach((redraw) => redraw());
    announce();
    refill();
  });
  announce();
}

if (report.maps) liquidationMaps();
