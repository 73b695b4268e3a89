/** Margin over two factors, and the contour where it is liquidated. */

import { html } from "./vendor/preact.js";
import { change, compact, percent } from "./format.js";
import { Asked, Behind, Pick } from "./parts.js";

const LEFT = 46;
const TOP = 20;
const WIDE = 380;
const HIGH = 230;

/** By volatility where an option is held, else by a second coin. */
export function Surface({ path, unit, coins, query, change: choose, hasOptions }) {
	const chosen = (axis, names, otherwise) => (names.includes(query.get(axis)) ? query.get(axis) : otherwise);
	const xs = ["all", ...coins];
	const x = chosen("x", xs, hasOptions || coins.length < 2 ? "all" : coins[0]);
	const ys = ["volatility", ...coins.filter((coin) => x !== "all" && coin !== x)];
	const y = chosen("y", ys, hasOptions ? ys[0] : ys.at(1) ?? ys[0]);
	const pick = (axis, label, value, names) => html`<${Pick} label=${label} value=${value} names=${names} pick=${(name) => choose({ [axis]: name })} />`;
	return html`<${Asked} id="surface" title=${`Margin over ${x === "all" ? "all prices" : x} and ${y}`} path=${`${path}/surface?${new URLSearchParams({ x, y, unit })}`} every=${15_000}
		before=${html`${pick("x", "Across", x, xs)} ${pick("y", "Up", y, ys)}`}>${(of) => html`<${Grid} of=${of} />`}<//>`;
}

function Grid({ of }) {
	const [right, top] = [of.x.moves.length - 1, of.y.moves.length - 1];
	const across = (x) => (WIDE * x) / right;
	const up = (y) => HIGH - (HIGH * y) / top;
	const at = ({ moves }, move) => (move - moves[0]) / (moves.at(-1) - moves[0]);
	const line = of.contour.map((ends) => `M${ends.map(([x, y]) => `${WIDE * at(of.x, x)} ${HIGH * (1 - at(of.y, y))}`).join("L")}`).join("");
	const marks = (last) => [0, last / 2, last].map(Math.round);
	const cell = (each, x, y) => html`<rect class=${each.is_liquidatable ? "level red" : "level"} x=${across(x - 0.5)} y=${up(y + 0.5)} width=${across(1) + 0.3} height=${HIGH / top + 0.3}
		opacity=${each.is_liquidatable ? 0.75 : 0.1 + 0.6 * (1 - each.margin_ratio)}>
		<title>${`${change(of.x.moves[x])}, ${change(of.y.moves[y])}: excess ${compact(each.excess)} ${of.currency}`}</title></rect>`;
	const all = of.margins.flat();
	const lost = all.filter((each) => each.is_liquidatable).length / all.length;
	const said = lost ? `${percent(lost)} of this grid is liquidated, beyond the line` : "No point of this grid is liquidated";
	return html`<p class="answer">${said}. The dot is now. ${of.notes.join(" ")}</p>
		<svg class="surface" viewBox=${`0 0 ${LEFT + WIDE + 24} ${HIGH + 60}`} role="img" aria-label=${`Margin over ${of.x.name} and ${of.y.name}: ${said}`}>
			<svg x=${LEFT} y=${TOP} width=${WIDE} height=${HIGH}>${of.margins.map((row, y) => row.map((each, x) => cell(each, x, y)))}
				<path class="contour" d=${line} /><circle class="dot" cx=${across(right / 2)} cy=${up(top / 2)} r="4" /></svg>
			<text x="0" y="10">\u2191 ${of.y.name}</text>
			${marks(right).map((i) => html`<text class="middle" x=${LEFT + across(i)} y=${HIGH + 36}>${change(of.x.moves[i], 0)}</text>`)}
			${marks(top).map((i) => html`<text class="end" x=${LEFT - 6} y=${TOP + up(i) + 4}>${change(of.y.moves[i], 0)}</text>`)}
			<text class="middle" x=${LEFT + WIDE / 2} y=${HIGH + 53}>${of.x.name} \u2192</text>
		</svg>
		<${Behind} caption=${`Excess, ${of.currency}: ${of.y.name} down the side, ${of.x.name} across`} rows=${of.margins.map((row, y) => ({ row, y }))}
			columns=${[[of.y.name, ({ y }) => change(of.y.moves[y])], ...of.x.moves.map((move, x) => [change(move), ({ row }) => compact(row[x].excess)])]} />`;
}
