import { html, useState } from "./vendor/preact.js";
import { useAnswer } from "./api.js";
import { clock, compact, money, words } from "./format.js";
import { Answer, Asked, Dialog, Table } from "./parts.js";

export function Feed() {
	const [open, set] = useState(null);
	const row = (each) => html`<li key=${each.case}><button class="row" onClick=${() => set(each.case)}>
		<time>${clock(each.ended ?? each.started)}</time> <span>${each.name ?? `#${each.account}`} <small>${each.instruments.slice(0, 2).join(", ")}${each.instruments.length > 2 && ` +${each.instruments.length - 2}`}</small></span>
		<span class=${each.ended ? "" : "amber"}>${words(each.ended ? each.outcome : each.stage ?? "decided")}</span>
		<span class="end">${compact(each.notional)}</span></button></li>`;
	return html`<${Asked} id="feed" title="Liquidations" note="Time UTC, account, how it ended, notional at the decision" path="/v1/liquidations?limit=30" every=${2000} act="liquidations"
			isEmpty=${(of) => !of.open.length && !of.recent.length} empty="Nobody has been liquidated.">
			${(of) => html`<ol class="feed">${[...of.open, ...of.recent].map(row)}</ol>`}<//>
		${open !== null && html`<${Case} number=${open} close=${() => set(null)} />`}`;
}

function Case({ number, close }) {
	const answer = useAnswer(`/v1/liquidations/${number}`, 2000);
	return html`<${Dialog} title=${`Liquidation ${number}`} close=${close}><${Answer} of=${answer}>${(of) => html`
		<p>${of.name ?? `Account #${of.account}`} (${of.unit_id}) was decided at ${clock(of.started, true)} UTC with equity ${money(of.equity)} against maintenance ${money(of.maintenance_margin)} on ${money(of.notional)} notional.
			${of.ended ? ` It ${of.outcome === "recovered" ? "recovered" : `was ${words(of.outcome)}`} at ${clock(of.ended)}.` : " It is going on."}</p>
		<h3>What happened, in order</h3>
		<ol class="steps">${of.steps.map((step) => html`<li><time>${clock(step.time)}</time> <strong>${words(step.stage)}</strong> ${step.text}</li>`)}</ol>
		<h3>Who paid</h3>
		${of.paid.length ? html`<${Table} caption="Every quantum of the loss" rows=${of.paid} columns=${[
			["payer", (row) => html`<span class=${`key key-${row.kind}`}>${row.payer}</span>`, "text"],
			["as", (row) => words(row.kind), "text"],
			["amount", (row) => `${money(row.amount)} ${row.asset}`],
			["for", (row) => (row.instrument ? `${row.size} ${row.instrument}` : ""), "text"],
		]} />` : html`<p class="note">Nobody has paid anything yet.</p>`}
		<h3>Working</h3>
		${of.sections.map((section) => html`<details><summary>${section.title}</summary><pre tabindex="0">${section.lines.join("\n")}</pre></details>`)}
	`}<//><//>`;
}
