/** The cheapest way to safety, and how likely liquidation is by a horizon. */

import { html } from "./vendor/preact.js";
import { draftOf } from "./draft.js";
import { compact, float, money, percent, plain, price, words } from "./format.js";
import { Asked, Bar, Table } from "./parts.js";

export function Rescue({ path, unit, set }) {
	const steps = (of) => of.plan.steps;
	const toDraft = (of) => draftOf(steps(of).filter(({ action }) => action === "deposit").map((step) => `deposit ${step.name}=${step.amount}`));
	return html`<${Asked} id="rescue" title="Way out" path=${`${path}/rescue`} body=${{ unit }} isEmpty=${(of) => !of.plan} empty=${(of) => (of?.status === "met" ? "It is at the target already." : of?.with_money?.reason ?? words(of?.status))}>${(of) => html`
		<p class="answer">Cheapest way to ${percent(of.target.value, 0)} usage: costs <strong>${money(of.plan.cost)}</strong>, takes ${money(of.plan.own_money)} of own money.</p>
		<${Table} caption="In this order" rows=${steps(of)} columns=${[
			["step", (step) => `${words(step.action)} ${plain(step.amount)} ${step.name}`, "text"], ["at", (step) => step.price && price(step.price)], ["cost", (step) => money(step.cost)],
			["usage after", (step) => (step.after.margin_ratio === null ? "none left" : percent(step.after.margin_ratio))],
		]} />
		<p class="buttons"><button onClick=${() => set(toDraft(of))}>Try its deposit on the sliders</button></p>`}<//>`;
}

export const Chances = ({ path }) => html`<${Asked} id="chances" title="How likely" path=${`${path}/risk`}
	isEmpty=${(of) => !of.probability?.length} empty="No probability is known: its coins have no volatility.">${(of) => html`
		<${Table} caption="Chance of liquidation; intervals of 95 %" rows=${of.probability} columns=${[
			["within", (row) => `${plain(row.days)} ${Number(row.days) === 1 ? "day" : "days"}`],
			["", (row) => html`<${Bar} long=${true} share=${float(row.probability)} level="red" />`, "text"],
			["liquidated", (row) => percent(row.probability)], ["interval", (row) => (row.low ? `${percent(row.low)} to ${percent(row.high)}` : "")],
		]} />
		<p class="note">Loss at ${percent(of.level, 0)}: ${compact(of.risk?.var)} ${of.currency} in ${plain(of.horizon_days)} day; the mean beyond it ${compact(of.risk?.es)}. ${of.source}</p>`}<//>`;
