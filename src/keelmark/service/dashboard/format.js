/** Figures, times and words as every surface of Keelmark writes them. */

const MINUS = "\u2212";
const THIN = "\u202f";
const SCALES = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];

/** A decimal string as a float, for drawing only. */
export const float = (text) => (text == null ? null : Number(text));

export function decimals(value, digits) {
	const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
	return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

const plus = (value, text) => (value > 0 && /[1-9]/.test(text) ? `+${text}` : text);

export const many = (number, word) => `${count(number)} ${word}${Number(number) === 1 ? "" : "s"}`;

export const milliseconds = (us) => (us === null ? "" : plain(Number((us / 1000).toPrecision(3))));

export const count = (value) => (float(value) === null ? "unknown" : decimals(float(value), 0));

export function compact(given) {
	const value = float(given);
	if (value === null) return "unknown";
	const size = Math.abs(value);
	const [factor, letter] = SCALES.find(([from]) => size >= from * 0.9995) ?? [1, ""];
	const scaled = value / factor;
	const digits = Math.abs(scaled) >= 99.95 ? 0 : Math.abs(scaled) >= 9.995 ? 1 : 2;
	if (letter) return decimals(scaled, digits) + THIN + letter;
	return decimals(value, Number.isInteger(value) || size >= 100 ? 0 : 2);
}

export const onAxis = (value) => compact(value).replace(/\.0+(?=\D|$)/, "");

export function money(given, signed = false) {
	const value = float(given);
	if (value === null) return "unknown";
	const text = decimals(value, value && Math.abs(value) < 1 ? 4 : 2);
	return signed ? plus(value, text) : text;
}

export function price(given) {
	const value = float(given);
	if (value === null) return "unknown";
	const size = Math.abs(value);
	return decimals(value, size >= 100 ? 2 : size >= 1 ? 4 : 6);
}

export const plain = (given) => Number(given).toLocaleString("en-US", { maximumFractionDigits: 8 }).replace("-", MINUS);

export const brief = (value, signed) => (Math.abs(value) < 1e5 ? money(value, signed) : signed ? plus(value, count(value)) : count(value));

export function percent(given, digits = 1) {
	const value = float(given);
	return value === null ? "unknown" : decimals(value * 100, digits) + THIN + "%";
}

export const change = (given, digits = 1) => plus(float(given), percent(given, digits));

/** `2025-10-10T21:17:03Z` as `21:17:03`, the date where asked. */
export const clock = (time, dated = false) =>
	time ? new Date(time).toISOString().slice(dated ? 0 : 11, 19).replace("T", " ") : "unknown";

export const words = (name) => String(name ?? "").replaceAll("_", " ");

export function levelOf(distance, levels = { red: 0.15, amber: 0.3 }) {
	if (distance === undefined) return "unknown";
	if (distance === null) return "green";
	const far = Math.abs(Number(distance));
	return far === 0 ? "liquidatable" : far < levels.red ? "red" : far < levels.amber ? "amber" : "green";
}
