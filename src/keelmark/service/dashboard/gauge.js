/** The keelmark gauge: water is maintenance over equity. */

import { html } from "./vendor/preact.js";
import { percent } from "./format.js";

const CURVE = [0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.21, 0.28, 0.35];

const beam = (height) => Math.min(1, (Math.max(0, height) / 0.35) ** 0.4);

function outline(top, { middle, half, high, above }) {
	const right = [...CURVE.filter((height) => height < top), top].map((height) => [beam(height), height]);
	const corners = [...right, ...right.map(([x, height]) => [-x, height]).reverse()];
	return corners.map(([x, y]) => `${(middle + half * x).toFixed(1)},${(above + high * (1 - y)).toFixed(1)}`).join(" ");
}

const levelIn = (usage) => (usage === null ? 1 : Math.min(1, Math.max(0, usage)));
const told = (usage) => (usage === null || usage > 1 ? "over 100 %" : percent(usage));

export function SmallGauge({ usage, level }) {
	const box = { middle: 13, half: 9, high: 19, above: 3 };
	return html`<svg width="26" height="24" role="img" aria-label=${`maintenance takes ${told(usage)} of equity`}>
		<polygon class="hull" points=${outline(1, box)} />
		<polygon class=${`water ${level}`} points=${outline(levelIn(usage), box)} />
		<path class="load" d="M0 3h26" />
	</svg>`;
}

export function Gauge({ usage, marks, level, was }) {
	const box = { middle: 66, half: 60, high: 250, above: 16 };
	const rows = marks.map((mark) => ({ ...mark, usage: Number(mark.usage), kind: "" }));
	if (was !== undefined) rows.push({ usage: levelIn(was), name: "now", said: told(was), kind: "was" });
	rows.push({ usage: levelIn(usage), said: told(usage), name: was === undefined ? "now" : "after", kind: "now" });
	rows.sort((a, b) => b.usage - a.usage);
	let free = 0;
	const lines = rows.map((row) => {
		const y = box.above + box.high * (1 - row.usage);
		const end = box.middle + box.half * beam(row.usage);
		const place = Math.max(y + 4, free);
		free = place + 17;
		return html`<g class=${row.kind}>
			<path class="mark" d=${`M${2 * box.middle - end} ${y}H${end}`} />
			<path class="lead" d=${`M${end} ${y}L138 ${place - 4}`} />
			<text x="143" y=${place}>${row.said ?? percent(row.usage)} ${row.name}</text>
		</g>`;
	});
	return html`<svg class="gauge" viewBox=${`0 0 300 ${Math.max(288, free)}`} role="img" aria-label=${`Maintenance takes ${told(usage)} of equity`}>
		<polygon class="hull" points=${outline(1, box)} />
		<polygon class=${`water ${level}`} points=${outline(levelIn(usage), box)} />
		${lines}
		<path class="load" d=${`M${box.middle - 8} 16a8 8 0 1 0 16 0a8 8 0 1 0 -16 0M${box.middle - 15} 16h30`} />
	</svg>`;
}
