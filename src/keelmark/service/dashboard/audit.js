/** The audit trail, newest first, for risk admins. */

import { html } from "./vendor/preact.js";
import { useAnswer } from "./api.js";
import { clock, plain } from "./format.js";
import { Asked, Table } from "./parts.js";

const SHOWN = 200;

/** Acts and notes; an outcome is told beside its act. */
function acts({ entries }) {
	const outcomes = new Map(entries.filter((each) => each.of).map((each) => [each.of, each.outcome]));
	return entries.filter((each) => !each.of).map((each) => ({ ...each, outcome: outcomes.get(each.sequence) ?? each.outcome })).reverse();
}

const details = (row) => Object.entries(row.details ?? {}).map(([name, value]) => `${name} ${value}`).join(", ");

export function Audit() {
	const { data } = useAnswer("/v1/audit?limit=1", 5000);
	return html`<${Asked} id="audit" title="Audit trail" className="wide" path=${data && `/v1/audit?limit=${SHOWN}&after=${Math.max(0, data.count - SHOWN)}`}
		isEmpty=${(of) => !of.entries.length} empty="Nobody has done anything yet.">${(of) => html`
			<p class=${of.is_intact ? "green" : "red"}>${of.is_intact ? "Every line fits the one before it." : of.problems.join("; ")}</p>
			<${Table} caption=${`The last of ${plain(of.count)} lines, UTC`} rows=${acts(of)} columns=${[
				["time", (row) => clock(row.time, true), "text"], ["who", (row) => `${row.name} ${row.role}`, "text"], ["act", (row) => row.action, "text"],
				["with", (row) => html`<span class="wrap">${details(row)}</span>`, "text"], ["reason", (row) => html`<span class="wrap">${row.reason}</span>`, "text"], ["outcome", (row) => row.outcome, "text"],
			]} />`}<//>`;
}
