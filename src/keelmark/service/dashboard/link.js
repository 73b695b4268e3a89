/** One value that says how the page stands with the service. */

import { useEffect, useState } from "./vendor/preact.js";

const followers = new Set();
const STALE_MS = 10_000;

export const link = {
	state: "connecting", // connecting, live, stale, reconnecting, limited, signed out
	heardAt: Date.now(),
	until: 0,
	heard() {
		link.heardAt = Date.now();
		if (["stale", "limited"].includes(link.state)) link.set({ state: "live" });
	},
	set(change) {
		Object.assign(link, change);
		for (const follower of followers) follower({ ...link });
	},
	isClosed: () => link.state === "signed out" || (link.state === "limited" && Date.now() < link.until),
};

setInterval(() => {
	if (link.state === "live" && Date.now() - link.heardAt > STALE_MS) link.set({ state: "stale" });
	else if (link.state !== "live") link.set({}); // seconds are told
}, 1000);

export function useLink() {
	const [now, set] = useState({ ...link });
	useEffect(() => {
		followers.add(set);
		return () => followers.delete(set);
	}, []);
	return now;
}
