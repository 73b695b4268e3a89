/** The frame: who is signed in, how we stand, which view. */

import { html, render, useEffect, useState } from "./vendor/preact.js";
import { hrefOf, readAddress, remember } from "./address.js";
import { useAnswer } from "./api.js";
import { Audit } from "./audit.js";
import { mayDo } from "./controls.js";
import { Accounts, Desk } from "./desk.js";
import { clock, milliseconds, plain } from "./format.js";
import { useLink } from "./link.js";
import { Answer } from "./parts.js";
import { follow, useEvents } from "./stream.js";
import { Venue } from "./venue.js";
import { Watched } from "./watched.js";

function App() {
	const [, turn] = useState(0);
	const update = () => turn((n) => n + 1);
	const change = (changes) => {
		remember(changes);
		update();
	};
	useEffect(() => {
		addEventListener("hashchange", update);
		follow();
	}, []);
	const standing = useLink();
	const session = useAnswer("/session", 60_000);
	const mode = session.data?.mode;
	const isVenue = mode === "venue";
	const venue = useAnswer(isVenue && "/v1/venue", 2000);
	useEvents("admin", venue.again);
	const { view: asked, name, query } = readAddress();
	const view = asked === "venue" ? mode : asked || mode;
	const tabs = [isVenue && "venue", "desk", mayDo(session.data, "risk_admin") && "audit"].filter(Boolean);
	const shared = { query, change, session: session.data ?? {}, venue: view === "venue" ? venue : venue.data };
	return html`<button class="skip" onClick=${() => document.getElementById("main").focus()}>Skip to content</button>
		<header class="top">
			<h1 class="brand"><img src="/assets/mark.svg" alt="" width="20" height="20" />KEELMARK</h1>
			<nav aria-label="Views">${tabs.map((tab) => html`<a href=${hrefOf({ view: tab })} aria-current=${tab === view ? "page" : null}>${tab}</a>`)}</nav>
			<${Standing} venue=${venue.data} standing=${standing} />
		</header>
		<main id="main" tabindex="-1">
			${standing.state === "signed out" ? html`<${SignedOut} />`
				: view === "audit" ? html`<${Audit} />`
				: view === "venue" ? html`<${Venue} ...${shared} />`
				: !mode ? html`<${Answer} of=${session} />`
				: name ? html`<${Desk} key=${name} name=${name} ...${shared} />` : html`<${isVenue ? Accounts : Watched} ...${shared} />`}
		</main>`;
}

const seconds = (ms) => `${Math.max(0, Math.ceil(ms / 1000))} s`;
const SAID = {
	stale: ({ heardAt }) => `no data for ${seconds(Date.now() - heardAt)}`,
	reconnecting: ({ until }) => `reconnecting in ${seconds(until - Date.now())}`,
	limited: ({ until }) => `too many questions: on in ${seconds(until - Date.now())}`,
};

const told = (name, value, hue) => html`<div><dt>${name}</dt><dd class=${hue}>${value}</dd></div>`;

/** Latency, lag, residual, clock, how we stand, what is least well. */
function Standing({ venue, standing: { state: linked, ...standing } }) {
	const { conservation } = useAnswer(venue && "/v1/fund", 5000).data ?? {};
	const { mark_to_decision_us: { p50: marks } = {}, lag_ms: lag } = useAnswer(venue && "/v1/latency", 5000).data ?? {};
	const { status, findings: [worst] = [], is_recording_over: isOver } = useAnswer(venue && "/health/parts", 3000).data ?? {};
	const isIll = linked !== "signed out" && ["failing", "degraded"].includes(status);
	const state = linked !== "live" ? linked : isIll && (status === "failing" || worst.name === "writer") ? status : isOver ? "recording over" : "live";
	const residuals = conservation?.filter((each) => Number(each.residual) !== 0);
	return html`<dl class="standing-line">
		${marks > 0 && told("marks p50", `${milliseconds(marks)} ms`)}
		${lag > 0 && told("lag", `${plain(lag)} ms`)}
		${residuals && told("residual", residuals.map((each) => `${each.residual} ${each.asset}`).join(", ") || "0", residuals[0] && "red")}
		<div><dd>${clock(venue?.time ?? new Date())} UTC</dd></div>
		<div class=${`link ${state}`}><dt class="hidden">connection</dt><dd>${SAID[state]?.(standing) ?? state}</dd></div>
	</dl><p class="hidden" role="status">${state}</p>
	${isIll && html`<p class=${`notice ${status}`}><span role="alert">${worst.name} ${status}</span>: ${worst.detail}</p>`}`;
}

const SignedOut = () => html`<section class="panel wide"><h2>Signed out</h2><p class="state">The session has ended.</p>
	<button class="main" onClick=${() => location.reload()}>Sign in again</button></section>`;

const root = document.getElementById("app");
root.textContent = "";
render(html`<${App} />`, root);
