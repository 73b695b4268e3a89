import { html, useState } from "./vendor/preact.js";
import { ask } from "./api.js";
import { Dialog, Panel, Pick } from "./parts.js";

const ROLES = ["viewer", "operator", "risk_admin"];
const REASON_MIN = 3;

export const mayDo = (session, role) => ROLES.indexOf(session?.role) >= ROLES.indexOf(role);

export function Act(props) {
	const [open, set] = useState(false);
	return html`<button class=${props.grave && "grave"} onClick=${() => set(true)}>${props.name}</button>
		${open && html`<${Confirmation} ...${props} close=${() => set(false)} />`}`;
}

function Confirmation({ name, consequence, path, body, done, grave, close }) {
	const [reason, setReason] = useState("");
	const [state, set] = useState({});
	const act = async (event) => {
		event.preventDefault();
		set({ busy: true });
		try {
			await ask(path, { ...body, reason: reason.trim() });
			close();
			done?.();
		} catch (problem) {
			set({ problem });
		}
	};
	return html`<${Dialog} title=${name} close=${close}><form onSubmit=${act}>
		<p>${consequence}</p>
		<label>Reason, kept in the audit trail
			<textarea required minlength=${REASON_MIN} maxlength="500" autofocus value=${reason} onInput=${(event) => setReason(event.target.value)} /></label>
		${state.problem && html`<p class="red" role="alert">${state.problem.message} ${state.problem.fix}</p>`}
		<p class="buttons"><button type="button" onClick=${close}>Cancel</button>
			<button class=${grave ? "grave" : "main"} disabled=${state.busy || reason.trim().length < REASON_MIN}>${name}</button></p>
	</form><//>`;
}

const HALTS = "Liquidations and new risk there stop; open positions stay and losses may grow meanwhile.";
const GOES_ON = "It goes on at the present mark: what is below its trigger is liquidated at once.";

export function Controls({ venue, again }) {
	const { everything, instruments } = venue.paused;
	const [chosen, choose] = useState(venue.instruments[0]?.instrument);
	const switched = (isPaused, what, body, grave) => html`<${Act} key=${what + isPaused} name=${`${isPaused ? "Resume" : "Pause"} ${what}`} done=${again} body=${body}
		grave=${grave && !isPaused} path=${`/v1/admin/${isPaused ? "resume" : "pause"}`} consequence=${isPaused ? GOES_ON : `${what} is paused. ${HALTS}`} />`;
	return html`<${Panel} id="controls" title="Controls">
		<p class="buttons"><${Pick} label="Instrument" value=${chosen} names=${venue.instruments.map((each) => each.instrument)} pick=${choose} />
			${switched(instruments.includes(chosen), chosen, { instrument: chosen })} ${switched(everything, "everything", {}, true)}</p>
		${(everything || instruments.length > 0) && html`<p class="amber">Paused now: ${everything ? "everything" : instruments.join(", ")}</p>`}
	<//>`;
}

const OVERRIDES = {
	hold: ["Hold", "It is not liquidated while it is held, whatever its margin; losses may grow at the fund's expense."],
	release: ["Release", "The engine decides about it again: below its trigger it is liquidated at once."],
	takeover: ["Take over", "The backstop takes every position of it at its transfer price; its owner keeps nothing of them."],
};

export function AccountControls({ account, name, units, session, again }) {
	const isAdmin = mayDo(session, "risk_admin");
	const [cause, setCause] = useState("request");
	const override = (unit, action) => html`<${Act} key=${action + unit.unit} name=${OVERRIDES[action][0] + (units.length > 1 ? ` ${unit.unit_id}` : "")} done=${again}
		grave=${action === "takeover"} path="/v1/admin/override" consequence=${OVERRIDES[action][1]} body=${{ account, unit: unit.unit, action }} />`;
	return html`<${Panel} id="controls" title="Controls">
		${units.map((unit) => html`<p class="buttons">${override(unit, unit.is_held ? "release" : "hold")} ${isAdmin && override(unit, "takeover")}</p>`)}
		<p class="buttons">${isAdmin && html`<${Act} grave=${true} name="Close account" done=${again} path="/v1/admin/close" body=${{ account, cause }}
			consequence=${`${name} is closed for good: every position is closed at the mark, obligations are paid, the rest is returned. It cannot be opened again.`} />
			<${Pick} label="because of" value=${cause} names=${["request", "margin", "insolvency", "regulatory"]} pick=${setCause} />`}
	</p><//>`;
}
