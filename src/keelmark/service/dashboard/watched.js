/** A desk: accounts, alerts, and what the venue says otherwise. */

import { html } from "./vendor/preact.js";
import { Act, mayDo } from "./controls.js";
import { clock, float, percent, plain, words } from "./format.js";
import { AccountLink, Asked, Bar, Panel, Table } from "./parts.js";

const said = (word, why) => html`<span class="absent">${word}<small>${why}</small></span>`;
const level = (row) => html`<strong class=${row.level}>${row.level.toUpperCase()}</strong>`;

function residual({ residuals: { compared, differ } = {} }) {
	if (!Number(compared)) return said("none told");
	return differ.length ? html`<span class="red">${differ.length} differ<small>${differ.map(words).join(", ")}</small></span>` : html`<span class="green">${compared} match</span>`;
}

export const Watched = ({ session }) => html`<div class="grid">
	<${Asked} id="accounts" title="Accounts" className="wide" path="/v1/accounts" every=${5000} act="health">${(of) => html`<${Table} caption="The worst first; times UTC" rows=${of.accounts} columns=${[
		["account", (row) => html`<${AccountLink} of=${row} /><small>${row.venue}</small>`, "text"],
		["level", level, "text"],
		["distance", (row) => row.distance ? html`<${Bar} share=${Math.min(1, 2 * float(row.distance))} level=${row.level} /> ${percent(row.distance)}` : said("none", row.headline)],
		["usage", (row) => row.usage ? percent(row.usage, 0) : said("none")],
		["chance", (row) => row.probability ? percent(row.probability, 2) : said("unknown")],
		["residual", residual, "text"],
		["last read", (row) => html`<span class=${row.is_stale ? "red" : ""}>${row.read ? clock(row.read) : "never"}<small>${row.problem}</small></span>`, "text"],
	]} />`}<//>
	<${Alerts} session=${session} />
</div>`;

export const Alerts = ({ session }) => html`<${Asked} id="alerts" title="Alerts" className="wide" path="/v1/alerts?limit=30" every=${5000} act="alerts">${(of) => html`
	${of.open.length ? html`<${Table} caption="Open" rows=${of.open} columns=${[
		["subject", (row) => row.subject, "text"], ["since", (row) => clock(row.since, true), "text"], ["what", (row) => html`<span class="wrap">${row.text}</span>`, "text"],
		["taken on by", (row) => row.acknowledged_by ?? (mayDo(session, "operator") ? html`<${Act} name="Take on" path=${`/v1/alerts/${row.id}/acknowledge`}
			consequence=${`${row.subject}: you take care of it. Nobody else is woken about it unless it gets worse.`} />` : "nobody"), "text"],
	]} />` : html`<p class="state">${of.is_on ? "No alert is open." : "Nobody is woken: the configuration has no alerts."}</p>`}
	${of.history.length > 0 && html`<${Table} caption="Latest first" rows=${of.history} columns=${[
		["time", (row) => clock(row.time, true), "text"], ["what", (row) => html`<span class="wrap">${row.text}</span>`, "text"],
		["told", (row) => row.deliveries.length ? row.deliveries.map((each) => html`<span class=${each.state === "sent" ? "" : "red"}>${each.channel} ${each.state}<small>${each.problem}</small></span>`) : "written down", "text"],
	]} />`}`}<//>`;

export const Residuals = ({ rows }) => html`<${Panel} id="residuals" title="Against the venue" className="wide">${rows.length ? html`<${Table} caption="Of the last read" rows=${rows} columns=${[
	["figure", (row) => words(row.number), "text"], ["the venue's", (row) => plain(row.reported)], ["ours", (row) => row.computed ? plain(row.computed) : said("unknown", row.reason)],
	["difference", (row) => row.matches ? html`<span class="green">none</span>` : html`<span class="red">${row.difference && plain(row.difference)}<small>${row.likely_reason}</small></span>`],
]} />` : html`<p class="state">The account came without figures of the venue.</p>`}<//>`;
