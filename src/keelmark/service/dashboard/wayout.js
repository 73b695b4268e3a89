/** The cheapest way to safety, and how likely liquidation is by a horizon. */

import { html } from "./vendor/preact.js";
import { draftOf } from "./draft.js";
import { brief, compact, float, many, money, percent, price, words } from "./format.js";
import { Asked, Bar, Pick, Table } from "./parts.js";

const goal = ({ value, distance }) => [value && `${percent(value, 0)} usage`, distance && `${percent(distance, 0)} distance`].filter(Boolean).join(" and ");

export function Rescue({ path, unit, set }) {
	const steps = (of) => of.plan.steps;
	const toDraft = (of) => draftOf(steps(of).filter(({ action }) => action === "deposit").map((step) => `deposit ${step.name}=${step.amount}`));
	return html`<${Asked} id="rescue" title="Way out" path=${`${path}/rescue`} every=${10_000} body=${{ unit }} isEmpty=${(of) => !of.plan} empty=${(of) => (of?.status === "met" ? "It is at the target already." : of?.with_money?.reason ?? words(of?.status))}>${(of) => html`
		<p class="answer">Cheapest way to ${goal(of.target)}: costs <strong>${money(of.plan.cost)}</strong>, takes ${money(of.plan.own_money)} of own money.</p>
		<${Table} caption="In this order" rows=${steps(of)} columns=${[
			["step", (step) => html`${words(step.action)} <span title=${step.amount}>${brief(step.amount)}</span> ${step.name}${step.source && html`<small>from ${step.source}</small>`}`, "text"], ...(steps(of).some((step) => step.price) ? [["at", (step) => step.price && price(step.price)]] : []), ["cost", (step) => money(step.cost)],
			["usage after", (step) => (step.after.margin_ratio === null ? "none left" : percent(step.after.margin_ratio))],
		]} />
		<p class="buttons"><button onClick=${() => set(toDraft(of))}>Try its deposit on the sliders</button></p>`}<//>`;
}

/** What stands for a coin unknown to the table is said and can be chosen. */
export function Chances({ path, unit, coins, query, change }) {
	const likes = query.getAll("like").filter((each) => coins.includes(each.split("=")[0]));
	const choose = (coin) => (other) => change({ like: [...likes.filter((each) => !each.startsWith(`${coin}=`)), `${coin}=${other}`] });
	return html`<${Asked} id="chances" title="How likely" path=${`${path}/risk?${new URLSearchParams([...likes, "*"].map((each) => ["like", each]))}`} every=${20_000}>${(of) => {
		const [law] = Object.values(of.liquidation);
		const told = law.units.find((each) => each.unit === unit) ?? law.account;
		return html`${told.horizons.length ? html`<${Table} caption="Chance of liquidation; intervals of 95 %" rows=${told.horizons} columns=${[
			["within", (row) => many(row.days, "day")],
			["", (row) => html`<${Bar} long=${true} share=${float(row.probability)} level="red" />`, "text"],
			["liquidated", (row) => percent(row.probability)], ["interval", (row) => (row.low ? `${percent(row.low)} to ${percent(row.high)}` : "")],
		]} />` : html`<p class="answer">${told.reason ?? "No price liquidates it."}</p>`}
		${Object.entries(of.standing_in).map(([coin, other]) => html`<p class="note"><${Pick} label=${`Assumed: ${coin} moves like`} value=${other} names=${of.coins_known} pick=${choose(coin)} /></p>`)}
		${of.risk?.var && html`<p class="note">All units: a loss of ${compact(of.risk.var)} ${of.currency} in ${many(of.horizon_days, "day")} is exceeded ${percent(1 - of.level, 0)} of the time; then ${compact(of.risk.es)} on average.</p>`}
		<p class="note">${of.source}</p>`;
	}}<//>`;
}
