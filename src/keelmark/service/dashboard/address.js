/** A view's state lives in the fragment: a link shares it, no server log sees it. */

export function readAddress(hash = location.hash) {
	const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
	const [view, name = ""] = path.split("/");
	const known = ["venue", "desk", "audit"].includes(view);
	return { view: known ? view : "", name: decodeURIComponent(name), query: new URLSearchParams(query) };
}

export function hrefOf({ view, name = "", query = "" }) {
	const path = name ? `${view}/${encodeURIComponent(name)}` : view;
	return `#/${path}${String(query) && `?${query}`}`;
}

export function remember(changes) {
	const address = readAddress();
	for (const [key, value] of Object.entries(changes)) {
		address.query.delete(key);
		for (const each of [value].flat()) if (each !== null && each !== "") address.query.append(key, each);
	}
	history.replaceState(null, "", hrefOf(address));
}
