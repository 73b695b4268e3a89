import { html, useEffect, useState } from "./vendor/preact.js";
import { ask } from "./api.js";
import { changed, draftOf, editsOf, emptyDraft, slidersOf } from "./draft.js";
import { brief, change, compact, float, percent, plain } from "./format.js";
import { afterDraft, jointMove, marginOf } from "./margin.js";
import { Panel } from "./parts.js";

const REST_MS = 250;

export function useWhatIf({ path, unit, floating, edits, feeRate, position }) {
	const key = edits.join("\n");
	const [found, set] = useState({});
	useEffect(() => {
		if (!key) return undefined;
		let over = false;
		const keep = (name) => (value) => over || set({ key, [name]: value });
		const timer = setTimeout(() => ask(`${path}/whatif`, { edits: key.split("\n") }).then(keep("answer"), keep("problem")), REST_MS);
		return () => {
			over = true;
			clearTimeout(timer);
		};
	}, [path, key, position]);
	const { answer, problem } = found.key === key ? found : {};
	const draft = draftOf(edits);
	const before = floating?.exact && editsOf(draft).length === edits.length ? marginOf(floating) : null;
	const changedUnit = before && key && afterDraft(floating, draft, feeRate);
	const after = changedUnit && { ...marginOf(changedUnit), distance: jointMove(changedUnit) };
	const told = key && answer?.difference.units.find((each) => each.unit === unit.unit);
	const then = told ? { usage: float(told.margin_ratio.after), distance: told.distance.after } : after;
	return { edits, draft, before, after, told, then, problem };
}

export function WhatIf({ floating, set, answer, unit, face }) {
	const { edits, draft } = answer;
	return html`<${Panel} id="whatif" title="What if">${floating ? html`
		<div>${slidersOf(floating, floating.now).map((slider) => html`<${Slider} slider=${slider} draft=${draft} set=${set} />`)}</div>
		<${NowAfter} unit=${unit} ...${answer} />
		<p class="buttons"><button disabled=${!edits.length} onClick=${() => set(emptyDraft())}>Reset</button><${Share} /></p>
		${!floating.exact && html`<p class="note">The service answers when a slider rests: ${floating.reason}</p>`}` : html`<p class="state">${face.problem?.message ?? "Loading"}</p>`}
	<//>`;
}

function Slider({ slider: { part, name, label, low, high, step, idle }, draft, set }) {
	const value = draft[part][name] ?? idle;
	const said = part === "moves" ? change(value) : part === "sizes" ? plain(Number(value.toPrecision(6))) : value ? `${value > 0 ? "+" : ""}${compact(value)}` : "0";
	return html`<label class="slider"><span>${label}</span>
		<input type="range" min=${low} max=${high} step=${step} value=${value} aria-valuetext=${said}
			onInput=${(event) => set(changed(draft, part, name, Math.abs(event.target.value - idle) < step / 2 ? idle : Number(event.target.value), idle))} />
		<output>${said}</output></label>`;
}

function NowAfter({ unit, before, after, told, problem, edits }) {
	if (!edits.length) return html`<p class="note">Move a slider: what it would be stands here, beside what it is.</p>`;
	if (problem) return html`<p class="red" role="alert">${problem.message} ${problem.fix}</p>`;
	if (!told && !after) return html`<p class="state loading">Asking the service</p>`;
	const row = (name, key, mine, write) => {
		const now = told ? float(told[key].now) : mine(before);
		const then = told ? float(told[key].after) : mine(after);
		const shown = (value) => (value == null ? "none" : write(value));
		const by = now == null || then === null ? "" : write(then - now, true);
		return html`<tr><th scope="row">${name}</th><td>${shown(now)}</td><td data-figure=${key} title=${told?.[key].after}>${shown(then)}</td><td>${by}</td></tr>`;
	};
	const signed = (write) => (value, plus) => (plus ? change(value).replace("%", "pp") : write(value));
	return html`<${TwoBars} now=${told ? float(told.margin_ratio.now) : before.usage} after=${told ? float(told.margin_ratio.after) : after.usage} />
		<div class="scroll"><table aria-label="Now and after"><thead><tr><th scope="col">${unit.currency}</th><th scope="col">now</th>
			<th scope="col">after <span class=${told ? "exact" : "estimate"}>${told ? "exact" : "estimate"}</span></th><th scope="col">difference</th></tr></thead><tbody>
			${row("equity", "equity", (of) => of.equity, brief)}
			${row("maintenance", "maintenance_margin", (of) => of.maintenance, brief)}
			${row("excess", "maintenance_excess", (of) => of.excess, brief)}
			${row("usage", "margin_ratio", (of) => of.usage, signed(percent))}
			${row("distance", "distance", (of) => (of === before ? float(unit.distance) : of.distance && Math.abs(of.distance)), signed(percent))}
		</tbody></table></div>`;
}

function TwoBars({ now, after }) {
	const width = (usage) => 300 * Math.min(1, usage ?? 1);
	return html`<svg class="two-bars" viewBox="0 0 400 58" role="img" aria-label=${`Maintenance takes ${percent(now)} of equity now, ${percent(after)} after`}>
		${[["now", now, 4], ["after", after, 32]].map(([word, usage, y]) => html`<text x="38" y=${y + 15} class="end">${word}</text>
			<rect class="hull" x="44" y=${y} width="300" height="20" /><rect class=${`used ${word}`} x="44" y=${y} width=${width(usage)} height="20" />
			<text x="352" y=${y + 15}>${usage === null ? "none left" : percent(usage)}</text>`)}
		<path class="load" d="M344 0V56" />
	</svg>`;
}

function Share() {
	const [said, set] = useState("Copy link");
	const copy = async () => {
		await navigator.clipboard.writeText(location.href);
		set("Copied");
	};
	return html`<button onClick=${() => copy().catch(() => set("Copy it from the address bar"))} aria-live="polite">${said}</button>`;
}
