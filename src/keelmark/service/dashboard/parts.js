import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { hrefOf } from "./address.js";
import { useAnswer } from "./api.js";
import { clock, plain, price, words } from "./format.js";
import { useEvents } from "./stream.js";

const SLOW_MS = 3000; // asked less often: says of when

export function Panel({ title, note, id, children, className = "" }) {
	return html`<section class=${`panel ${className}`} aria-labelledby=${id}>
		<header><h2 id=${id}>${title}</h2>${note && html`<p class="note">${note}</p>`}</header>
		${children}
	</section>`;
}

export function Answer({ of: { data, problem, again }, empty, isEmpty, children }) {
	if (data) return html`${problem && html`<p class="old">Not up to date: ${problem.message}</p>`}${isEmpty?.(data) ? html`<p class="state">${empty}</p>` : children(data)}`;
	if (!problem) return html`<p class="state loading" aria-busy="true">Loading</p>`;
	const { status, message, fix } = problem;
	if (status === 404 && empty) return html`<p class="state">${empty}</p>`;
	return html`<div class="state trouble"><p><strong>${message}</strong></p><p>${message.includes(fix) ? "" : fix}</p><button onClick=${again}>Try again</button></div>`;
}

/** A panel of an answer, asked again every so often. */
export function Asked({ path, every = 0, body, act, before, empty, isEmpty, children, ...panel }) {
	const answer = useAnswer(path, every, body);
	useEvents(act, answer.again);
	const note = panel.note ?? (every > SLOW_MS && answer.data && `as of ${clock(answer.data.time)} UTC`);
	return html`<${Panel} ...${panel} note=${note}>${before}
		<${Answer} of=${answer} isEmpty=${isEmpty} empty=${typeof empty === "function" ? empty(answer.data) : empty}>${children}<//><//>`;
}

/** A table; a column is `[title, cell(row), kind]`, the first is the row's heading. */
export function Table({ columns, rows, caption }) {
	const head = columns.map(([title, , kind]) => html`<th scope="col" class=${kind}>${title}</th>`);
	const line = (row) => columns.map(([, cell, kind], index) =>
		index ? html`<td class=${kind}>${cell(row)}</td>` : html`<th scope="row" class=${kind}>${cell(row)}</th>`);
	return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}>
		<table><caption>${caption}</caption><thead><tr>${head}</tr></thead><tbody>${rows.map((row) => html`<tr>${line(row)}</tr>`)}</tbody></table>
	</div>`;
}

export const Bar = ({ share, level, long }) => html`<svg class=${`bar ${long ? "long-bar" : ""}`} viewBox="0 0 60 9" preserveAspectRatio="none" aria-hidden="true">
	<rect class="hull" width="60" height="9" /><rect class=${`level ${level}`} width=${60 * share} height="9" /></svg>`;

export function Behind(props) {
	const [open, set] = useState(false);
	return html`<details onToggle=${(event) => set(event.target.open)}>
		<summary>As a table</summary>${open && html`<${Table} ...${props} />`}
	</details>`;
}

export function ThreeState({ of }) {
	if (of?.status === "price") return html`<span title=${of.value}>${price(of.value)}</span>`;
	const [word, why] = of?.status === "none" ? ["none reachable", of.reason] : ["unknown", of?.reason];
	return html`<span class="absent" title=${why ?? "no reason was given"}>${word}<small>${why}</small></span>`;
}

export const called = (name) => (/^\d+$/.test(name) ? `#${name}` : name);
export function AccountLink({ of: { name, account, unit_id: unit = "cross" } }) {
	const query = unit === "cross" ? "" : new URLSearchParams({ unit });
	return html`<a href=${hrefOf({ view: "desk", name: name ?? String(account), query })}>${name ?? `#${account}`}</a>${query && html`<small>${unit.split(":")[0]}</small>`}`;
}

export const Pick = ({ label, value, names, pick }) => html`<label class="pick">${label} <select value=${value} onChange=${(event) => pick(event.target.value)}>
	${names.map((name) => html`<option value=${name}>${name === "all" ? "all prices" : name}</option>`)}</select></label>`;

export function Dialog({ title, close, children }) {
	const box = useRef(null);
	useEffect(() => {
		const before = document.activeElement;
		box.current.showModal();
		return () => before?.focus();
	}, []);
	return html`<dialog ref=${box} onClose=${close} aria-labelledby="dialog-title">
		<header><h2 id="dialog-title">${title}</h2><button class="quiet" aria-label="Close" onClick=${close}>\u2715</button></header>
		${children}
	</dialog>`;
}

export function Figure({ path, figure, unit, children }) {
	const [open, set] = useState(false);
	return html`<button class="figure" title="Where does this number come from?" onClick=${() => set(true)}>${children}</button>
		${open && html`<${Working} path=${path} figure=${figure} unit=${unit} close=${() => set(false)} />`}`;
}

function Working({ path, figure, unit, close }) {
	const answer = useAnswer(`${path}/explain?figure=${encodeURIComponent(figure)}${unit ? `&unit=${encodeURIComponent(unit)}` : ""}`);
	return html`<${Dialog} title=${words(figure)} close=${close}>
		<${Answer} of=${answer}>${(tree) => html`<${Step} of=${tree} />`}<//>
	<//>`;
}

export function Step({ of: step }) {
	const inputs = Object.entries(step.inputs ?? {}).map(([name, value]) => `${words(name)} ${plain(value)}`);
	const row = step.tier && `row ${step.tier.number ?? "of the venue"} from ${plain(step.tier.floor)}: rate ${plain(step.tier.rate)}, deduction ${plain(step.tier.deduction)}`;
	return html`<div class="step">
		<p><strong>${words(step.name)} = ${plain(step.value ?? "unknown")}</strong> ${step.unit}</p>
		<p>${step.formula}</p>
		${inputs.length > 0 && html`<p class="note">with ${inputs.join(", ")}</p>`}
		${row && html`<p class="note">${row}</p>`}
		${step.note && html`<p class="note">${step.note}</p>`}
		<p class="note">${[step.rounding && `rounding: ${step.rounding}`, step.source].filter(Boolean).join(" \u00b7 ")}</p>
		${step.parts?.length > 0 && html`<details open=${step.parts.length < 3}><summary>made of ${step.parts.length}</summary>
			${step.parts.map((part) => html`<${Step} of=${part} />`)}</details>`}
	</div>`;
}
