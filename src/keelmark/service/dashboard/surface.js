/** Margin over two factors, and the contour where it is liquidated. */

import { html, useState } from "./vendor/preact.js";
import { change, compact, percent } from "./format.js";
import { Asked, Behind, Pick } from "./parts.js";

const LEFT = 46;
const WIDE = 380;
const HIGH = 230;

/** Pieces of the line where the excess is zero: each cell is two triangles, each crossed once or never. */
function contour(excess) {
	const pieces = [];
	const crossing = ([x0, y0], [x1, y1]) => {
		const a = excess[y0][x0];
		const b = excess[y1][x1];
		const share = a < 0 === b < 0 ? null : a / (a - b);
		return share === null ? null : [x0 + share * (x1 - x0), y0 + share * (y1 - y0)];
	};
	for (let y = 0; y + 1 < excess.length; y += 1)
		for (let x = 0; x + 1 < excess[y].length; x += 1)
			for (const third of [[x + 1, y], [x, y + 1]]) {
				const corners = [[x, y], third, [x + 1, y + 1]];
				const found = corners.map((corner, i) => crossing(corner, corners[(i + 1) % 3])).filter(Boolean);
				if (found.length === 2) pieces.push(found);
			}
	return pieces;
}

export function Surface({ path, unit, coins }) {
	const [axes, set] = useState({ x: "all", y: "volatility" });
	const pick = (axis, label, names) => html`<${Pick} label=${label} value=${axes[axis]} names=${names} pick=${(name) => set({ ...axes, [axis]: name })} />`;
	return html`<${Asked} id="surface" title="Spot by volatility" path=${`${path}/surface?${new URLSearchParams({ ...axes, unit })}`} every=${15_000}
		before=${html`${pick("x", "Across", ["all", ...coins])} ${pick("y", "Up", ["volatility", ...coins])}`}>${(of) => html`<${Grid} of=${of} />`}<//>`;
}

function Grid({ of }) {
	const columns = of.x.moves.length;
	const rows = of.y.moves.length;
	const across = (x) => LEFT + (WIDE * (x + 0.5)) / columns;
	const up = (y) => 14 + HIGH - (HIGH * (y + 0.5)) / rows;
	const lines = contour(of.margins.map((row) => row.map((each) => Number(each.excess))));
	const marks = (moves) => [0, (moves.length - 1) / 2, moves.length - 1].map(Math.round);
	const cell = (each, x, y) => html`<rect class=${`level ${each.is_liquidatable ? "red" : ""}`} x=${across(x) - WIDE / columns / 2} y=${up(y) - HIGH / rows / 2}
		width=${WIDE / columns + 0.3} height=${HIGH / rows + 0.3} opacity=${each.is_liquidatable ? 0.75 : 0.15 + 0.75 * (1 - Math.min(1, Number(each.margin_ratio)))}>
		<title>${`${change(of.x.moves[x])}, ${change(of.y.moves[y])}: excess ${compact(each.excess)} ${of.currency}`}</title></rect>`;
	const any = of.margins.flat().filter((each) => each.is_liquidatable).length;
	const said = any ? `${percent(any / (rows * columns), 0)} of this grid is liquidated` : "no point of this grid is liquidated";
	const idle = of.margins.every((row) => row.every((each, x) => each.excess === of.margins[0][x].excess));
	return html`<p class="answer">${said}; the line is where. Now is the dot.${idle && ` ${of.y.name} changes nothing here.`}</p>
		<svg class="surface" viewBox=${`0 0 ${LEFT + WIDE + 14} ${HIGH + 54}`} role="img" aria-label=${`Margin over ${of.x.name} and ${of.y.name}: ${said}`}>
			${of.margins.map((row, y) => row.map((each, x) => cell(each, x, y)))}
			${lines.map(([a, b]) => html`<path class="contour" d=${`M${across(a[0])} ${up(a[1])}L${across(b[0])} ${up(b[1])}`} />`)}
			<text x="0" y="10">\u2191 ${of.y.name}</text>
			<circle class="dot" cx=${across((columns - 1) / 2)} cy=${up((rows - 1) / 2)} r="4" />
			${marks(of.x.moves).map((i) => html`<text class="middle" x=${across(i)} y=${HIGH + 30}>${change(of.x.moves[i], 0)}</text>`)}
			${marks(of.y.moves).map((i) => html`<text class="end" x=${LEFT - 6} y=${up(i) + 4}>${change(of.y.moves[i], 0)}</text>`)}
			<text class="middle" x=${LEFT + WIDE / 2} y=${HIGH + 47}>${of.x.name} \u2192</text>
		</svg>
		<${Behind} caption=${`Excess, ${of.currency}: ${of.y.name} down the side, ${of.x.name} across`} rows=${of.margins.map((row, y) => ({ row, y }))}
			columns=${[[of.y.name, ({ y }) => change(of.y.moves[y])], ...of.x.moves.map((move, x) => [change(move), ({ row }) => compact(row[x].excess)])]} />`;
}
