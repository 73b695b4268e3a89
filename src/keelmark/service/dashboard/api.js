/** Questions to the service, and what went wrong in words. */

import { useEffect, useState } from "./vendor/preact.js";
import { link } from "./link.js";

const SHARED_MS = 900;
const LONG_MS = 5000;
const asked = new Map();
let line = Promise.resolve();

export class Problem extends Error {
	constructor(status, { code, message, where, fix } = {}, retryAfter = 0) {
		super(message ?? `the service answered ${status}`);
		Object.assign(this, { status, code, where, fix, retryAfter });
	}
}

export async function ask(path, body) {
	let response;
	try {
		response = await fetch(path, {
			method: body ? "POST" : "GET",
			headers: body ? { "Content-Type": "application/json", "X-Keelmark": "1" } : {},
			body: body && JSON.stringify(body),
		});
	} catch {
		throw new Problem(0, { message: "the service cannot be reached", fix: "it is asked again by itself" });
	}
	const text = await response.text();
	const answer = read(text);
	if (response.ok) {
		link.heard();
		return answer;
	}
	const problem = new Problem(response.status, answer?.error, Number(response.headers.get("Retry-After")) || 0);
	if (response.status === 401) link.set({ state: "signed out" });
	if (response.status === 429 && answer?.error?.code !== "busy") link.set({ state: "limited", until: Date.now() + 1000 * (problem.retryAfter || 5) });
	throw problem;
}

function shared(key, path, body) {
	if (Date.now() - (asked.get(key)?.at ?? 0) > SHARED_MS) asked.set(key, { at: Date.now(), answer: ask(path, body) });
	return asked.get(key).answer;
}

const inLine = (work) => (line = line.then(work, work));

function read(text) {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}

/** An answer that is asked for again every so often while the page is seen. */
export function useAnswer(path, everyMs = 0, body = null) {
	const [found, set] = useState({ path: null, data: null, problem: null });
	const [turn, again] = useState(0);
	const key = path + (body ? JSON.stringify(body) : "");
	useEffect(() => {
		if (!path) return undefined;
		let timer = 0;
		let over = false;
		const next = (wait) => {
			if (!over && wait) timer = setTimeout(() => (document.hidden || link.isClosed() ? next(wait) : load()), wait);
		};
		const load = async () => {
			try {
				const work = () => over || shared(key, path, body);
				const data = await (everyMs > LONG_MS ? inLine(work) : work());
				if (!over) set({ path: key, data, problem: null });
				next(everyMs);
			} catch (problem) {
				if (!over) set((before) => ({ path: key, data: before.path === key ? before.data : null, problem }));
				next(problem.status === 404 ? 0 : Math.max(everyMs, 3000, problem.retryAfter * 1000));
			}
		};
		load();
		return () => {
			over = true;
			clearTimeout(timer);
		};
	}, [key, everyMs, turn]);
	const mine = found.path?.split("?")[0] === key.split("?")[0]; // of another query: kept until the new is there
	return {
		data: mine ? found.data : null,
		problem: mine ? found.problem : null,
		again: () => {
			asked.delete(key);
			again((n) => n + 1);
		},
	};
}
