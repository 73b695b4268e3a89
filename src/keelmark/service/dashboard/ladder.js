import { html, useState } from "./vendor/preact.js";
import { Chart, nearest } from "./chart.js";
import { change as signed, compact, float, money, onAxis, percent, price } from "./format.js";
import { Asked, Behind, Pick } from "./parts.js";

export function Ladder({ path, unit, names, query, change }) {
	const along = names.includes(query.get("along")) ? query.get("along") : "all";
	return html`<${Asked} id="ladder" title="Along a price" path=${`${path}/ladder?${new URLSearchParams({ along, unit })}`} every=${5000}
		before=${html`<${Pick} label="Move" value=${along} names=${names} pick=${(name) => change({ along: name })} />`}
		isEmpty=${(of) => !of.rungs.length} empty="Nothing moves with this price.">${(of) => html`<${Drawn} of=${of} />`}<//>`;
}

function Drawn({ of }) {
	const [at, move] = useState(null);
	const { rungs } = of;
	const column = (key) => rungs.map((rung) => float(rung[key]));
	const xs = column("move");
	const index = at === null || at >= rungs.length ? nearest(xs, 0) : at;
	const rung = rungs[index];
	const said = `${signed(rung.move)}${rung.price === null ? "" : ` to ${price(rung.price)}`}: excess ${money(rung.excess, true)} ${of.currency}`;
	const where = of.liquidations.length ? `Liquidated from ${of.liquidations.map((each) => signed(each)).join(" and ")}.` : "No price on this ladder liquidates it.";
	return html`<p class="answer">${where} At ${said}</p>
		<${Chart} xs=${xs} lines=${[{ hue: "good", label: "equity", values: column("equity") }, { hue: "deficit", label: "maintenance", values: column("maintenance_margin") }]} at=${index} move=${move} height=${220}
			nowLabel="now" x=${(v) => signed(v, 0)} y=${onAxis} label="Equity and maintenance along the price; arrow keys read it" said=${said} />
		<${Behind} caption=${`${of.along}, ${of.currency}`} rows=${rungs} columns=${[
			["move", (row) => signed(row.move, 2)], ["equity", (row) => compact(row.equity)], ["maintenance", (row) => compact(row.maintenance_margin)],
			["usage", (row) => (row.margin_ratio === null ? "none left" : percent(row.margin_ratio))], ["what", (row) => row.what.join(", "), "text"],
		]} />`;
}
