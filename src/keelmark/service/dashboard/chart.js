/** Lines over one axis as SVG; the names stand on the lines, arrow keys read it. */

import { html, useEffect, useRef, useState } from "./vendor/preact.js";

const LEFT = 54;
const TOP = 22;
const BELOW = 24;
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -1e9, End: 1e9 };

const scale = (low, high, from, to) => (value) => from + ((value - low) * (to - from)) / (high - low || 1);

function ticks(low, high, wanted) {
	const rough = (high - low) / Math.max(wanted, 1) || 1;
	const power = 10 ** Math.floor(Math.log10(rough));
	const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
	const first = Math.ceil(low / step - 1e-9);
	return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - first + 1) }, (_, i) => (first + i) * step);
}

export const nearest = (values, wanted) =>
	values.reduce((best, value, i) => (Math.abs(value - wanted) < Math.abs(values[best] - wanted) ? i : best), 0);

function useWidth(box) {
	const [width, set] = useState(0);
	useEffect(() => {
		const size = new ResizeObserver(([{ contentRect }]) => set(Math.round(contentRect.width)));
		size.observe(box.current);
		return () => size.disconnect();
	}, []);
	return width;
}

export function Chart({ xs, lines, x: xText, y: yText, label, said, at, move, nowLabel, height = 260 }) {
	const box = useRef(null);
	const width = useWidth(box);
	const last = xs.length - 1;
	const right = Math.max(width - 8, LEFT + 1);
	const known = lines.flatMap(({ values }) => values.filter((value) => value !== null));
	const [least, most] = [Math.min(0, ...known), Math.max(0, ...known)];
	const room = 0.1 * (most - least) || 1; // for the names
	const low = least && least - room;
	const high = most + room;
	const x = scale(xs[0], xs[last], LEFT, right);
	const y = scale(low, high, height - BELOW, TOP);
	const keys = (event) => {
		const by = STEPS[event.key];
		if (by === undefined) return;
		event.preventDefault();
		move(Math.min(last, Math.max(0, at + by)));
	};
	const read = (event) => {
		if (event.type !== "pointerdown" && event.pointerType !== "mouse" && !event.buttons) return;
		move(nearest(xs.map(x), event.clientX - box.current.getBoundingClientRect().left));
	};
	return html`<div class="chart" ref=${box} tabindex="0" role="slider" aria-label=${label} aria-valuemin="0" aria-valuemax=${last}
		aria-valuenow=${at} aria-valuetext=${said} onKeyDown=${keys} onPointerDown=${read} onPointerMove=${read}>
		${width > 0 && html`<svg width=${width} height=${height} aria-hidden="true">
			${ticks(low, high, height / 50).map((value) => html`<path class=${value ? "grid-line" : "axis"} d=${`M${LEFT} ${y(value)}H${right}`} />
				<text class="end" x=${LEFT - 6} y=${y(value) + 4}>${yText(value)}</text>`)}
			${ticks(xs[0], xs[last], width / 80).map((value) => html`<path class="grid-line" d=${`M${x(value)} ${TOP}V${height - BELOW}`} />
				<text class="middle" x=${Math.min(x(value), right - 12)} y=${height - 7}>${xText(value)}</text>`)}
			${lines.map((line) => html`<${Drawn} ...${line} xs=${xs} x=${x} y=${y} />`)}
			<path class="present" d=${`M${x(0)} ${TOP - 6}V${height - BELOW}`} />
			<text class="note middle" x=${x(0)} y="11">${nowLabel}</text>
			<path class="hand" d=${`M${x(xs[at])} ${TOP}V${height - BELOW}`} />
			${lines.map(({ values }) => values[at] !== null && html`<circle class="dot" cx=${x(xs[at])} cy=${y(values[at])} r="4" />`)}
		</svg>`}
	</div>`;
}

function Drawn({ hue, values, area, label, atStart, xs, x, y }) {
	const points = values.map((value, i) => (value === null ? null : [x(xs[i]), y(value)])).filter(Boolean);
	if (!points.length) return null;
	const path = points.map(([left, top]) => `${left.toFixed(1)} ${top.toFixed(1)}`).join("L");
	const [end, top] = points.at(atStart ? 0 : -1);
	const under = !atStart && top > points[0][1];
	return html`${area && html`<path class=${`area ${hue}`} d=${`M${points[0][0]} ${y(0)}L${path}L${points.at(-1)[0]} ${y(0)}Z`} />`}
		<path class=${`line ${hue}`} d=${`M${path}`} />
		<text class=${`name ${hue} ${atStart ? "" : "end"}`} x=${end + (atStart ? 5 : -5)} y=${top + (under ? 16 : -7)}>${label}</text>`;
}
