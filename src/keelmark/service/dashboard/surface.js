/** Margin over two factors, and the contour where it is liquidated. */

import { html, useState } from "./vendor/preact.js";
import { change, compact, percent } from "./format.js";
import { Asked, Behind, Pick } from "./parts.js";

const LEFT = 46;
const TOP = 20;
const WIDE = 380;
const HIGH = 230;

/** Where the excess is below zero, and the line where it is zero. */
function regions(excess, place) {
	let lost = "";
	let line = "";
	const cut = (corners) => {
		const [inside, edge] = [[], []];
		corners.forEach(([x, y], i) => {
			const [x1, y1] = corners[(i + 1) % 3];
			const [here, next] = [excess[y][x], excess[y1][x1]];
			if (here < 0) inside.push(place(x, y));
			if (here < 0 === next < 0) return;
			const share = here / (here - next);
			edge.push(place(x + share * (x1 - x), y + share * (y1 - y)));
			inside.push(edge.at(-1));
		});
		if (inside.length) lost += `M${inside.join("L")}Z`;
		if (edge.length) line += `M${edge.join("L")}`;
	};
	for (let y = 0; y + 1 < excess.length; y += 1)
		for (let x = 0; x + 1 < excess[y].length; x += 1) for (const third of [[x + 1, y], [x, y + 1]]) cut([[x, y], third, [x + 1, y + 1]]);
	return { lost, line };
}

export function Surface({ path, unit, coins }) {
	const [axes, set] = useState({ x: "all", y: "volatility" });
	const pick = (axis, label, names) => html`<${Pick} label=${label} value=${axes[axis]} names=${names} pick=${(name) => set({ ...axes, [axis]: name })} />`;
	return html`<${Asked} id="surface" title="Spot by volatility" path=${`${path}/surface?${new URLSearchParams({ ...axes, unit })}`} every=${15_000}
		before=${html`${pick("x", "Across", ["all", ...coins])} ${pick("y", "Up", ["volatility", ...coins])}`}>${(of) => html`<${Grid} of=${of} />`}<//>`;
}

function Grid({ of }) {
	const [right, top] = [of.x.moves.length - 1, of.y.moves.length - 1];
	const across = (x) => (WIDE * x) / right;
	const up = (y) => HIGH - (HIGH * y) / top;
	const { lost, line } = regions(of.margins.map((row) => row.map((each) => Number(each.excess))), (x, y) => `${across(x).toFixed(1)} ${up(y).toFixed(1)}`);
	const marks = (last) => [0, last / 2, last].map(Math.round);
	const cell = (each, x, y) => html`<rect class="level" x=${across(x - 0.5)} y=${up(y + 0.5)} width=${across(1) + 0.3} height=${HIGH / top + 0.3}
		opacity=${0.1 + 0.6 * (each.margin_ratio === null ? 0 : Math.max(0, 1 - each.margin_ratio))}>
		<title>${`${change(of.x.moves[x])}, ${change(of.y.moves[y])}: excess ${compact(each.excess)} ${of.currency}`}</title></rect>`;
	const all = of.margins.flat();
	const said = lost ? `${percent(all.filter((each) => each.is_liquidatable).length / all.length, 0)} of this grid is liquidated, beyond the line` : "No point of this grid is liquidated";
	const idle = of.margins.every((row) => row.every((each, x) => each.excess === of.margins[0][x].excess));
	return html`<p class="answer">${said}. The dot is now.${idle && ` No option is held: ${of.y.name} changes nothing.`}</p>
		<svg class="surface" viewBox=${`0 0 ${LEFT + WIDE + 24} ${HIGH + 60}`} role="img" aria-label=${`Margin over ${of.x.name} and ${of.y.name}: ${said}`}>
			<svg x=${LEFT} y=${TOP} width=${WIDE} height=${HIGH}>${of.margins.map((row, y) => row.map((each, x) => cell(each, x, y)))}
				<path class="lost" d=${lost} /><path class="contour" d=${line} /><circle class="dot" cx=${across(right / 2)} cy=${up(top / 2)} r="4" /></svg>
			<text x="0" y="10">\u2191 ${of.y.name}</text>
			${marks(right).map((i) => html`<text class="middle" x=${LEFT + across(i)} y=${HIGH + 36}>${change(of.x.moves[i], 0)}</text>`)}
			${marks(top).map((i) => html`<text class="end" x=${LEFT - 6} y=${TOP + up(i) + 4}>${change(of.y.moves[i], 0)}</text>`)}
			<text class="middle" x=${LEFT + WIDE / 2} y=${HIGH + 53}>${of.x.name} \u2192</text>
		</svg>
		<${Behind} caption=${`Excess, ${of.currency}: ${of.y.name} down the side, ${of.x.name} across`} rows=${of.margins.map((row, y) => ({ row, y }))}
			columns=${[[of.y.name, ({ y }) => change(of.y.moves[y])], ...of.x.moves.map((move, x) => [change(move), ({ row }) => compact(row[x].excess)])]} />`;
}
