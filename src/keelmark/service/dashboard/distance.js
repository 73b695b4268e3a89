import { html } from "./vendor/preact.js";
import { compact, count, levelOf, percent } from "./format.js";
import { Asked, Bar, Table } from "./parts.js";

export const AtRisk = () => html`<${Asked} id="distance" title="At risk by distance" note="every price but that of stable assets moves alike"
	path="/v1/distance" every=${3000} isEmpty=${(of) => !of.open_accounts} empty="No account holds a position.">${(of) => {
		const most = of.within.at(-1).notional || 1;
		return html`<${Table} caption=${`In ${of.valuation}`} rows=${of.within} columns=${[
			["within", (row) => percent(row.move)],
			["", (row) => html`<${Bar} long=${true} share=${row.notional / most} level=${levelOf(row.move - 1e-9)} />`, "text"],
			["notional", (row) => compact(row.notional)], ["accounts", (row) => count(row.accounts)], ["equity", (row) => compact(row.equity)],
		]} />`;
	}}<//>`;
