/** Equity and notional at risk: how far every price may move together before it begins. */

import { html } from "./vendor/preact.js";
import { compact, count, levelOf, percent } from "./format.js";
import { Asked, Behind } from "./parts.js";

export const AtRisk = () => html`<${Asked} id="distance" title="At risk by distance" note="every price but that of stable assets moves alike"
  path="/v1/distance" every=${3000} isEmpty=${(of) => !of.open_accounts} empty="No account holds a position.">${(of) => html`<${Bars} of=${of} />`}<//>`;

/** Bars by distance, nearest first, everything nearer included. */
function Bars({ of }) {
  const most = Math.max(1, ...of.within.map((row) => row.notional));
  const rows = of.within.map((row) => ({ ...row, level: levelOf(row.move - 1e-9) }));
  return html`<svg class="bars" viewBox=${`0 0 460 ${rows.length * 22 + 18}`} role="img" aria-label="Notional at risk by distance; the table has the figures">
      <text x="54" y="12">notional within the distance, ${of.valuation}</text>
      ${rows.map((row, i) => html`<g>
        <text x="48" y=${i * 22 + 33} class="end">${percent(row.move, row.move < 0.1 ? 1 : 0)}</text>
        <rect class=${`level ${row.level}`} x="54" y=${i * 22 + 21} width=${Math.max(1, (row.notional / most) * 270)} height="16" />
        <text x=${60 + (row.notional / most) * 270} y=${i * 22 + 33}>${compact(row.notional)} in ${count(row.accounts)} accounts</text></g>`)}
    </svg>
    <${Behind} caption=${`Nearest liquidating move, ${of.valuation}`} rows=${rows} columns=${[
      ["within", (row) => percent(row.move)],
      ["accounts", (row) => count(row.accounts)],
      ["notional", (row) => count(row.notional)],
      ["equity", (row) => count(row.equity)],
    ]} />`;
}
