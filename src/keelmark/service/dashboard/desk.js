/** One account: how near, why, what if, the way out. */

import { html } from "./vendor/preact.js";
import { useAnswer } from "./api.js";
import { AccountControls, mayDo } from "./controls.js";
import { editsOf } from "./draft.js";
import { change as signed, compact, float, levelOf, many, money, percent, plain, price, words } from "./format.js";
import { Gauge } from "./gauge.js";
import { Ladder } from "./ladder.js";
import { AccountLink, Answer, Asked, Bar, called, Figure, Panel, Pick, Table, ThreeState } from "./parts.js";
import { Surface } from "./surface.js";
import { Residuals } from "./watched.js";
import { Chances, Rescue } from "./wayout.js";
import { useWhatIf, WhatIf } from "./whatif.js";

export function Accounts({ query, change }) {
	const wanted = query.get("q") ?? "";
	return html`<${Asked} id="accounts" title="Accounts" className="wide" path=${`/v1/accounts?limit=100&query=${encodeURIComponent(wanted)}`} every=${5000}
		before=${html`<label class="pick">Name or number <input type="search" value=${wanted} onInput=${(event) => change({ q: event.target.value })} /></label>`}
		isEmpty=${(of) => !of.accounts.length} empty="No account has this name.">${(of) => html`<${Table} caption=${many(of.total, "account")} rows=${of.accounts} columns=${[
			["account", (row) => html`<${AccountLink} of=${row} />`, "text"], ["positions", (row) => row.positions], ["units", (row) => row.units],
			["stage", (row) => words(row.stage), "text"],
		]} />`}<//>`;
}

export function Desk({ name, session, ...shared }) {
	const path = `/v1/accounts/${encodeURIComponent(name)}`;
	const check = useAnswer(`${path}/check`, 3000);
	const face = useAnswer(`${path}/face`, 3000);
	const account = useAnswer(path, 3000);
	return html`<${Answer} of=${check}>${(of) => of.units ?? of.unit ? html`<${Loaded} ...${{ path, name, session, face, account, check: of }} ...${shared} />` : html`<p class="state">${called(name)} holds neither money nor positions.</p>`}<//>`;
}

function Loaded({ path, name, query, change, session, venue, face, account, check }) {
	const units = check.units ?? [check];
	const wanted = query.get("unit") ?? check.worst_unit;
	const unit = units.find((each) => each.unit === wanted) ?? units[0];
	const floating = face.data?.units.find((each) => each.unit === unit.unit);
	const answer = useWhatIf({ path, unit, floating, edits: query.getAll("edit"), feeRate: face.data?.fee_rate, position: face.data?.position });
	const set = (draft) => change({ edit: editsOf(draft) });
	const coins = [...new Set(floating?.positions.map((each) => each.coin))];
	const rows = check.positions.filter((each) => each.unit === unit.unit);
	const stands = rows.length > 0 && unit.equity !== null;
	const usage = float(unit.margin_ratio);
	const level = unit.is_liquidatable ? "liquidatable" : unit.level ?? levelOf(unit.distance, check.levels);
	const { then } = answer;
	const main = { path, unit: unit.unit, coins, query, change };
	return html`<div class="grid desk">
		<div class="column"><section class="panel" aria-labelledby="account">
			<h2 id="account">${called(name)}</h2>
			<p class="note">${check.rulebook} ${units.length > 1 ? html`<${Pick} label="unit" value=${unit.unit} names=${units.map((each) => each.unit)} pick=${(chosen) => change({ unit: chosen })} />` : unit.unit}</p>
			<p class="headline"><strong class=${level}>${level.toUpperCase()}</strong> ${headline(unit)}</p>${check.snapshot?.warnings?.map((each) => html`<p class="old">${each}</p>`)}
			<${Gauge} usage=${then ? then.usage : usage} level=${then ? levelOf(then.distance, check.levels) : level} was=${then ? usage : undefined} marks=${marksOf(unit, floating, venue)} />
		</section></div>
		<div class="column"><${Panel} id="figures" title="Figures" note=${`${unit.currency}; each opens its working`}><dl class="figures">
				${FIGURES.map(([key, write]) => html`<div><dt>${words(key)}</dt><dd>${unit[key] === null ? html`<span class="absent" title=${unit.reason}>none</span>` : html`<${Figure} path=${path} figure=${key} unit=${unit.unit}>${write(unit[key])}<//>`}</dd></div>`)}
			</dl>${check.notes?.map((note) => html`<p class="note">${note}</p>`)}<//>
			${stands && html`<${Rescue} ...${main} set=${set} />`}</div>
		<div class="column"><${WhatIf} ...${{ floating, set, answer, unit, face }} />
			${stands && html`<${Chances} ...${main} />`}</div>
		<${Positions} ...${{ check, rows, unit, path }} />
		${stands && html`<${Ladder} ...${main} names=${["all", ...new Set(rows.map((each) => each.instrument))]} />
			<${Surface} ...${main} hasOptions=${rows.some((each) => each.expiry)} />`}
		${account.data?.residuals_by_figure && html`<${Residuals} rows=${account.data.residuals_by_figure} />`}
		${account.data?.units && mayDo(session, "operator") && html`<${AccountControls} account=${account.data.account} name=${called(name)} units=${account.data.units} session=${session} again=${account.again} />`}
	</div>`;
}

const FIGURES = [
	["equity", money], ["maintenance_margin", money], ["excess", (value) => money(value, true)], ["initial_margin", money],
	["available", money], ["margin_ratio", percent], ["effective_leverage", (value) => `${money(value)}x`],
];

function headline(unit) {
	if (unit.is_liquidatable) return "liquidatable now";
	if (unit.distance === null) return unit.reason ?? "no move liquidates it";
	const { nearest_move: nearest } = unit;
	const what = nearest.instrument ?? nearest.coin ?? "all together";
	const sigmas = nearest.distance_sigmas && ` (${money(nearest.distance_sigmas)} sigmas)`;
	return html`${what} ${signed(nearest.distance)} liquidates${sigmas}`;
}

function marksOf(unit, floating, venue) {
	const marks = [{ usage: 1 / (floating?.trigger_level ?? 1), name: "liquidation" }];
	const share = (name, of) => {
		const usage = Number(unit.maintenance_margin) / Number(of);
		if (of && usage > 0 && usage < 1) marks.push({ usage, name });
	};
	share("liquidation ends", unit.liquidation_end_margin);
	share("initial margin", unit.initial_margin);
	for (const each of venue?.levels ?? []) marks.push({ usage: Number(each.usage), name: words(each.name) });
	return marks;
}

function Positions({ check, rows, unit, path }) {
	const working = (figure, row, shown) => html`<${Figure} path=${path} unit=${unit.unit} figure=${figure.replace("*", row.instrument)}>${shown}<//>`;
	const level = ({ distance }) => levelOf(distance, check.levels);
	const share = ({ distance }) => Math.min(1, Math.abs(float(distance)) / (2 * check.levels.amber));
	return html`<${Panel} id="positions" title="Positions" className="wide">${rows.length === 0 ? html`<p class="state">No position is held.</p>` : html`<${Table}
		caption=${`Ladder of positions, ${unit.currency}`} rows=${rows} columns=${[
			["instrument", (row) => html`${row.instrument} <span class=${row.side}>${row.side}</span>`, "text"],
			["distance", (row) => row.distance === null ? html`<span class="absent" title=${row.liquidation_price.reason}>${row.recovers ? "liquidatable" : "none"}</span>` : html`<${Bar} share=${share(row)} level=${level(row)} /> <span class=${level(row)}>${signed(row.distance)}</span>`],
			["liq. price", (row) => working("liquidation_price:*", row, html`<${ThreeState} of=${row.liquidation_price} />`)],
			["size", (row) => plain(row.size)], ["mark", (row) => price(row.mark_price)],
			["notional", (row) => working("position:*.notional", row, compact(row.notional))],
			["profit", (row) => money(row.unrealized_pnl, true)],
			["maintenance", (row) => working("position:*.maintenance", row, money(row.maintenance_margin))],
		]} />`}<//>`;
}
