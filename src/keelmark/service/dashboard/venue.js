/** The venue: how near the fleet is, what is being liquidated, controls. */

import { html } from "./vendor/preact.js";
import { useAnswer } from "./api.js";
import { Controls, mayDo } from "./controls.js";
import { AtRisk } from "./distance.js";
import { Feed } from "./feed.js";
import { change, clock, compact, count, float, levelOf, many, milliseconds, percent, price, words } from "./format.js";
import { SmallGauge } from "./gauge.js";
import { LiquidationMap } from "./map.js";
import { AccountLink, Answer, Asked, Panel, Table } from "./parts.js";

const LOOK_WITHIN = 0.05;

export function Venue({ venue, query, change: choose, session }) {
	const { data } = venue;
	const names = data?.instruments.map((each) => each.instrument);
	return html`<${Answer} of=${venue}>${() => html`<div class="grid">
		<${Standing} venue=${data} />
		<${LiquidationMap} instruments=${names} chosen=${query.get("instrument") ?? names[0]}
			move=${Number(query.get("move") ?? -0.07)} choose=${choose} />
		<${Riskiest} />
		<${Feed} />
		<${AtRisk} />
		<${Prices} venue=${data} />
		${mayDo(session, "operator") && html`<${Controls} venue=${data} again=${venue.again} />`}
		<${Latency} />
	</div>`}<//>`;
}

function Standing({ venue }) {
	const fund = useAnswer("/v1/fund", 3000);
	const distance = useAnswer("/v1/distance", 3000);
	const cases = useAnswer("/v1/liquidations?limit=30", 2000);
	const held = fund.data?.segments.flatMap((segment) => segment.assets) ?? [];
	const [first] = held;
	const safety = fund.data?.backstop;
	const risk = distance.data?.within.find((row) => row.move === LOOK_WITHIN);
	const line = (name, value, note) => html`<div><dt>${name}</dt><dd>${value}${note && html`<small>${note}</small>`}</dd></div>`;
	return html`<${Panel} id="standing" title="Now" className="three standing"><dl class="figures">
		${line("insurance fund", held.length ? held.map((each) => html`<span class="fund">${compact(each.balance)} ${each.asset} </span>`) : fund.problem ? "unknown" : "\u2026",
			first?.window?.spent > 0 && `${compact(first.window.spent)} paid since ${clock(first.window.start)}`)}
		${safety && line("backstop", safety.equity === null ? "unknown" : html`<span class=${Number(safety.equity) < 0 && "red"}>${compact(safety.equity)}</span>`)}
		${line(`at risk < ${LOOK_WITHIN * 100} %`, risk ? compact(risk.notional) : distance.problem ? "unknown" : "\u2026", risk && `${many(risk.accounts, "account")}, ${compact(risk.equity)} equity`)}
		${line("margin calls", count(venue.margin_calls), `${count(venue.warned)} warned`)}
		${line("liquidations open", count(venue.liquidations.open), `${count(venue.liquidations.held)} held, ${count(venue.liquidations.ever)} ever`)}
		${line("auto-deleveraged", count(cases.data?.recent.filter((each) => each.outcome === "deleveraged").length), `of the last ${many(cases.data?.recent.length, "liquidation")}`)}
		${line("accounts", count(venue.accounts), many(venue.units, "margin unit"))}
	</dl></${Panel}>`;
}

function Riskiest() {
	const level = (row) => levelOf(row.distance === null && row.distance_reason ? undefined : row.distance);
	return html`<${Asked} id="riskiest" title="Riskiest accounts" path="/v1/riskiest?limit=20" every=${2000} isEmpty=${(of) => !of.accounts.length} empty="No account holds a position.">
		${(of) => html`<${Table} caption=${`Nearest to liquidation first; notional in ${of.valuation}`} rows=${of.accounts} columns=${[
			["account", (row) => html`<${AccountLink} of=${row} />`, "text"],
			["usage", (row) => html`<${SmallGauge} usage=${float(row.margin_ratio)} level=${level(row)} /><span class="beside">${row.margin_ratio === null ? "none left" : percent(row.margin_ratio, 0)}</span>`],
			["distance", (row) => row.distance === null
				? html`<span class="absent">${row.distance_reason ? "none" : "none reachable"}<small>${row.distance_reason}</small></span>`
				: html`<span class=${level(row)}>${Number(row.distance) ? change(signed(row)) : "reached"}</span><small>${row.moves}</small>`],
			["notional", (row) => compact(row.notional)],
			["stage", (row) => (row.is_held ? "held" : words(row.stage)), "text"],
		]} />`}<//>`;
}

const signed = ({ distance, direction }) => (direction === "down" ? -1 : 1) * Math.abs(Number(distance));

function Prices({ venue: { paused } }) {
	const guard = (off) => (row) => paused.everything || paused.instruments.includes(row.name)
		? html`<span class="amber">paused</span>`
		: html`<span class=${row.trust !== "ok" ? "red" : off[0] ? "amber" : "green"}>${row.trust === "ok" && off[1] ? "unguarded" : row.trust}</span>${row.reason && html`<small>${row.reason}</small>`}`;
	return html`<${Asked} id="prices" title="Prices and their guards" path="/v1/prices" every=${2000} isEmpty=${(of) => !of.prices.length} empty="No price yet.">
		${(of) => html`<${Table} caption=${`UTC; ${of.guards.words}`} rows=${[...of.prices].sort((a, b) => (a.trust === "ok") - (b.trust === "ok"))} columns=${[
			["price of", (row) => html`${row.name}<small>${row.kind}</small>`, "text"],
			["price", (row) => (row.price === null ? html`<span class="absent">unknown</span>` : price(row.price))],
			["guard", guard(of.guards.off), "text"],
			["seen", (row) => (row.seen ? clock(row.seen) : "never")],
			...(of.prices.some((row) => row.index?.divergence) ? [["from index", (row) => (row.index?.divergence ? change(row.index.divergence, 2) : "")]] : []),
		]} />`}<//>`;
}

function Latency() {
	const rows = (of) => Object.entries(of).filter(([, value]) => value?.p50 !== undefined);
	const column = (name) => [name, ([, value]) => milliseconds(value[name])];
	return html`<${Asked} id="latency" title="Engine latency" path="/v1/latency" every=${2000} isEmpty=${(of) => !rows(of).length} empty="Nothing has been measured yet.">
		${(of) => html`<${Table} caption="Milliseconds, since the start" rows=${rows(of)} columns=${[["what", ([name]) => words(name.replace(/_us$/, "")), "text"], ...["p50", "p99", "max"].map(column), ["count", ([, value]) => count(value.count)]]} />`}<//>`;
}
