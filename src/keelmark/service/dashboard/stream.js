/** Events as they happen: WebSocket, or server-sent events by fetch. */

import { useEffect, useRef } from "./vendor/preact.js";
import { link } from "./link.js";

const TOPICS = "health,liquidations,fund,adl,admin,status,alerts";
const LONGEST_WAIT_MS = 15_000;
const SOON_MS = 300;
const followers = new Set();
let at = null; // position.index of the last event seen
let failures = 0;

function take(text) {
	link.heard();
	const frame = JSON.parse(text);
	const told = frame.events ?? [frame.ping ?? frame.dropped ?? frame];
	for (const { position, index, resume_after: after = position } of told) at = index === undefined ? after : `${position}.${index}`;
	for (const follower of followers) follower(told);
}

const opened = () => {
	failures = 0;
	link.set({ state: "live", heardAt: Date.now() });
};

function bySocket() {
	const base = location.origin.replace(/^http/, "ws");
	return new Promise((resolve) => {
		const socket = new WebSocket(`${base}/v1/ws?topics=${TOPICS}${at === null ? "" : `&after=${at}`}`);
		socket.onopen = opened;
		socket.onmessage = (message) => take(message.data);
		socket.onclose = () => resolve();
	});
}

async function byFetch() {
	const headers = at === null ? {} : { "Last-Event-ID": at };
	const response = await fetch(`/v1/stream?topics=${TOPICS}`, { headers });
	if (response.status === 401) return link.set({ state: "signed out" });
	if ([410, 422].includes(response.status)) at = null; // this journal has another past: begin anew
	if (!response.ok) return undefined;
	opened();
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	for (;;) {
		const { value, done } = await reader.read();
		if (done) return undefined;
		link.heard();
		const blocks = (rest + value).split("\n\n");
		rest = blocks.pop();
		for (const block of blocks) {
			const lines = block.split("\n").filter((line) => line.startsWith("data:"));
			if (lines.length) take(lines.map((line) => line.slice(5)).join("\n"));
		}
	}
}

export async function follow() {
	for (;;) {
		if (link.state !== "signed out") {
			await (failures > 1 && failures % 2 === 0 ? byFetch() : bySocket()).catch(() => {});
			failures += 1;
		}
		const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** failures);
		if (link.state !== "signed out") link.set({ state: "reconnecting", until: Date.now() + wait });
		await new Promise((resolve) => setTimeout(resolve, wait));
	}
}

/** Act soon after events of a topic, once for many. */
export function useEvents(topic, act) {
	const latest = useRef(act);
	latest.current = act;
	useEffect(() => {
		let timer = 0;
		const follower = (told) => {
			if (!timer && told.some((event) => event.topic === topic)) timer = setTimeout(() => latest.current((timer = 0)), SOON_MS);
		};
		followers.add(follower);
		return () => followers.delete(follower);
	}, [topic]);
}
