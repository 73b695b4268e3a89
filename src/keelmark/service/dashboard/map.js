/** Liquidation map: if this price moves and nothing else does, who is liquidated? */

import { html, useMemo } from "./vendor/preact.js";
import { Chart, nearest } from "./chart.js";
import { change, compact, count, many, onAxis, percent, price } from "./format.js";
import { Asked, Behind, Pick } from "./parts.js";

const SHOWN = 0.99;
const LEAST = 9;

export function cumulated({ moves, ...map }) {
	const side = (notional, accounts, sign) => {
		let [total, people] = [0, 0];
		return moves.map((move, i) => ({ move: sign * move, notional: (total += notional[i]), accounts: (people += accounts[i]) }));
	};
	const sides = [side(map.longs, map.long_accounts, -1), side(map.shorts, map.short_accounts, 1)];
	const ends = sides.map((each) => each.findIndex(({ notional }) => notional >= SHOWN * each.at(-1).notional));
	const [falls, rises] = sides.map((each) => each.slice(0, Math.max(LEAST, ...ends) + 2));
	return [...falls.reverse(), { move: 0, notional: 0, accounts: 0 }, ...rises];
}

export const LiquidationMap = ({ instruments, chosen, move, choose }) => html`<${Asked} id="map" title="Liquidation map" className="map"
	path=${`/v1/map?instrument=${encodeURIComponent(chosen)}`} every=${2000} isEmpty=${(map) => map.price === null} empty=${(map) => map?.reason}
	before=${html`<${Pick} label="Instrument" value=${chosen} names=${instruments} pick=${(instrument) => choose({ instrument })} />`}>
	${(map) => html`<${Drawn} map=${map} move=${move} choose=${choose} />`}<//>`;

function Drawn({ map, move, choose }) {
	const points = useMemo(() => cumulated(map), [map]);
	const middle = (points.length - 1) / 2;
	const xs = points.map((point) => point.move);
	const at = nearest(xs, move);
	const point = points[at];
	const verb = point.move < 0 ? `falls ${percent(-point.move)}` : point.move > 0 ? `rises ${percent(point.move)}` : "stays";
	const to = map.price * (1 + point.move);
	const figures = `${many(point.accounts, "account")}, ${compact(point.notional)}${"\u00a0"}${map.settle}`;
	const lines = [
		{ hue: "long", area: true, atStart: true, label: `longs ${compact(points[0].notional)}`, values: points.map((each, i) => (i <= middle ? each.notional : null)) },
		{ hue: "short", area: true, label: `shorts ${compact(points.at(-1).notional)}`, values: points.map((each, i) => (i >= middle ? each.notional : null)) },
	];
	return html`<p class="answer">If ${map.instrument} ${verb} to ${price(to)}: <strong>${figures}</strong></p>
		<${Chart} xs=${xs} lines=${lines} at=${at} move=${(index) => choose({ move: String(xs[index]) })}
			x=${(v) => (v ? change(v, 0) : "now")} y=${onAxis} nowLabel=${`now ${price(map.price)}`}
			label=${`Liquidated notional of ${map.instrument} by price move; arrow keys read it`} said=${`${verb} to ${price(to)}: ${figures}`} />
		<${Behind} caption=${`Liquidated on the way, ${map.settle}`} rows=${points} columns=${[
			["move", (row) => change(row.move)],
			["price", (row) => price(map.price * (1 + row.move))],
			["side", (row) => (row.move < 0 ? "longs" : row.move > 0 ? "shorts" : ""), "text"],
			["notional", (row) => count(row.notional)],
			["accounts", (row) => count(row.accounts)],
		]} />`;
}
