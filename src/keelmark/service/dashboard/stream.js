/** Events by WebSocket: each tells that something is to be asked again. */

import { useEffect, useRef } from "./vendor/preact.js";
import { link } from "./link.js";

const TOPICS = "liquidations,admin,alerts";
const LONGEST_WAIT_MS = 15_000;
const SOON_MS = 300;
const followers = new Set();
let failures = 0;

export function follow() {
	if (link.state === "signed out") return;
	const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/v1/ws?topics=${TOPICS}`);
	socket.onopen = () => {
		failures = 0;
		link.set({ state: "live", heardAt: Date.now() });
	};
	socket.onmessage = ({ data }) => {
		link.heard();
		const { events = [] } = JSON.parse(data);
		for (const follower of followers) follower(events);
	};
	socket.onclose = () => {
		failures += 1;
		const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** failures);
		if (link.state !== "signed out") link.set({ state: "reconnecting", until: Date.now() + wait });
		setTimeout(follow, wait);
	};
}

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
