/** A unit's margin in floats, from its `/face`, as `keelmark.core.margin` defines it. */

const valueAt = ({ size, contract_size: contract, inverse }, price) =>
	inverse ? (-size * contract) / price : size * contract * price;

function ruled({ kind, floors, rates, deductions, slope, edge_upper: upper }, size, notional) {
	if (kind === "scaled") return notional * (rates[0] + slope * size);
	const key = kind === "sized" ? size : notional;
	const row = Math.max(0, floors.findLastIndex((floor) => (upper ? floor <= key : floor < key)));
	return notional * rates[row] - (kind === "tiered" ? deductions[row] : 0);
}

export function positionMargin(position) {
	const made = valueAt(position, position.mark) - position.cost;
	const base = position.margin_on === "entry" ? position.cost : valueAt(position, position.margin_price);
	const notional = Math.abs(base);
	const rule = ruled(position.rule, Math.abs(position.size), notional);
	return {
		profit: made > 0 ? made * position.profit_weight : made,
		notional,
		maintenance: position.size ? rule + position.fee * notional + position.fee_fixed : 0,
	};
}

export function marginOf(unit) {
	let equity = 0;
	let maintenance = 0;
	for (const asset of unit.assets) {
		const held = unit.positions.filter(({ settle }) => settle === asset.asset).map(positionMargin);
		const profit = held.reduce((sum, each) => sum + each.profit, 0);
		const needed = held.reduce((sum, each) => sum + each.maintenance, 0);
		const amount = asset.base === "equity" ? asset.cash + profit : asset.cash;
		const loan = amount < 0 ? -amount * asset.loan_rate : 0;
		const counted = Math.min(...asset.segments.map(({ slope, intercept }) => slope * amount + intercept));
		equity += asset.price * (counted + asset.ask * loan + (asset.base === "balance" ? profit : 0));
		maintenance += asset.price * asset.ask * (needed + loan + asset.gross_loan);
	}
	const excess = equity - unit.trigger_level * maintenance;
	const usage = equity > 0 ? maintenance / equity : maintenance > 0 ? null : 0;
	return { equity, maintenance, excess, usage, lost: excess < 0 || (excess === 0 && unit.trigger === "at_or_below") };
}

export function moved(unit, moves) {
	const factor = (coin) => 1 + (moves[coin] ?? moves.all ?? 0);
	return {
		...unit,
		assets: unit.assets.map((asset) => (asset.moves_with ? { ...asset, price: asset.price * factor(asset.moves_with) } : asset)),
		positions: unit.positions.map((each) => ({ ...each, mark: each.mark * factor(each.coin), margin_price: each.margin_price * factor(each.coin) })),
	};
}

export function afterDraft(unit, { money, sizes, moves }, feeRate = 0) {
	const assets = unit.assets.map((asset) => ({ ...asset, cash: asset.cash + ((unit.kind === "cross" && money[asset.asset]) || 0) }));
	const positions = unit.positions.map((each) => {
		const wanted = sizes[legName(each)];
		return wanted === undefined ? each : tradeTo(each, wanted, assets, feeRate);
	});
	return moved({ ...unit, assets, positions }, moves);
}

export const legName = ({ instrument, leg }) => (leg === "net" ? instrument : `${instrument}/${leg}`);

function tradeTo(position, wanted, assets, feeRate) {
	const cash = assets.find(({ asset }) => asset === position.settle);
	const value = (size) => valueAt({ ...position, size }, position.mark);
	const stays = Math.sign(wanted) === Math.sign(position.size) ? Math.min(Math.abs(wanted), Math.abs(position.size)) : 0;
	const kept = Math.sign(position.size) * stays;
	const cost = position.size ? (position.cost * kept) / position.size : 0;
	cash.cash += value(position.size - kept) - (position.cost - cost) - Math.abs(value(wanted - position.size)) * feeRate;
	return { ...position, size: wanted, cost: cost + value(wanted - kept) };
}

/** The nearest move of everything together that liquidates, by steps and halving. */
export function jointMove(unit) {
	const isLost = (move) => marginOf(moved(unit, { all: move })).lost;
	if (isLost(0)) return 0;
	let safe = 0;
	for (let step = 0.01; step < 0.95; step += 0.01) {
		for (const sign of [-1, 1]) if (isLost(sign * step)) return halved(isLost, sign * safe, sign * step);
		safe = step;
	}
	return null;
}

function halved(isLost, safe, lost) {
	for (let turn = 0; turn < 40; turn += 1) {
		const middle = (safe + lost) / 2;
		if (isLost(middle)) lost = middle;
		else safe = middle;
	}
	return lost;
}
