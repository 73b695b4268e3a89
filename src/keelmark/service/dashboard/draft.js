import { legName } from "./margin.js";

export const emptyDraft = () => ({ money: {}, sizes: {}, moves: {} });

const tidy = (value) => String(Number(value.toPrecision(12)));

export function editsOf({ money, sizes, moves }) {
	return [
		...Object.entries(money).map(([asset, sum]) => `${sum > 0 ? "deposit" : "withdraw"} ${asset}=${tidy(Math.abs(sum))}`),
		...Object.entries(sizes).map(([leg, size]) => (size ? `resize ${leg}=${tidy(size)}` : `close ${leg}`)),
		...Object.entries(moves).map(([coin, move]) => `price ${coin}=${tidy(move * 100)}%`),
	];
}

export function draftOf(edits) {
	const draft = emptyDraft();
	for (const edit of edits) {
		const [, kind, name, text = "0"] = edit.match(/^(\w+) ([^=]+)=?(.*?)%?$/) ?? [];
		const value = Number(text);
		if (!Number.isFinite(value)) continue;
		if (kind === "deposit") draft.money[name] = value;
		if (kind === "withdraw") draft.money[name] = -value;
		if (kind === "resize" || kind === "close") draft.sizes[name] = value;
		if (kind === "price") draft.moves[name] = value / 100;
	}
	return draft;
}

export function changed(draft, part, name, value, idle = 0) {
	const { [name]: _, ...rest } = draft[part];
	return { ...draft, [part]: value === idle ? rest : { ...rest, [name]: value } };
}

export function slidersOf(unit, { equity }) {
	const coins = [...new Set(unit.positions.map(({ coin }) => coin))];
	const money = unit.kind === "cross" ? unit.assets.slice(0, 1) : [];
	const reach = 10 ** Math.ceil(Math.log10(Math.max(Math.abs(equity), 1)));
	return [
		...money.map(({ asset, cash }) => ({
			part: "money", name: asset, label: `deposit ${asset}`, low: -Math.max(0, Math.floor((100 * cash) / reach)) * (reach / 100), high: 2 * reach, step: reach / 100, idle: 0,
		})),
		...unit.positions.map((each) => ({
			part: "sizes", name: legName(each), label: `size of ${legName(each)}`, low: Math.min(0, 2 * each.size), high: Math.max(0, 2 * each.size), step: Math.abs(each.size) / 50, idle: each.size,
		})),
		...(coins.length > 1 ? ["all"] : []).concat(coins).map((coin) => ({
			part: "moves", name: coin, label: coin === "all" ? "all prices" : `price of ${coin}`, low: -0.5, high: 0.5, step: 0.005, idle: 0,
		})),
	];
}
