/** The audit trail, newest first, for risk admins. */

import { html } from "./vendor/preact.js";
import { clock, words } from "./format.js";
import { Asked, Table } from "./parts.js";

export const Audit = () => html`<${Asked} id="audit" title="Audit trail" className="wide" path="/v1/audit" every=${5000} act="admin"
  isEmpty=${(of) => !of.entries.length} empty="Nobody has done anything yet.">${(of) => html`<${Table}
    caption="Acts of operators and risk admins, UTC" rows=${of.entries.toReversed()} columns=${[
      ["time", (row) => clock(row.time, true), "text"], ["who", (row) => row.actor, "text"], ["act", (row) => words(row.action), "text"],
      ["on", (row) => row.target, "text"], ["reason", (row) => html`<span class="wrap">${row.reason}</span>`, "text"], ["outcome", (row) => row.outcome, "text"],
    ]} />`}<//>`;
