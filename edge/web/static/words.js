// The page's words and how figures are said. Loaded once, before anything is shown.
export const lang = document.documentElement.lang;
const loaded = await fetch(`/words/${lang}.json`);
const texts = await loaded.json();

export function t(key, values = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// A word that comes from the appliance, such as a state: its translation, or the word itself.
export const word = (kind, value) => texts[`${kind}.${value}`] ?? String(value);

const numbers = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
const exact = new Intl.NumberFormat(lang, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
export const number = (value) => numbers.format(value);
export const score = (value) => (value === null || value === undefined ? "–" : exact.format(value));
export const percent = (part) => (part === null || part === undefined ? "–" : `${numbers.format(100 * part)} %`);

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) { value /= 1000; at += 1; }
  return `${numbers.format(value)} ${units[at]}`;
}

export function duration(seconds) {
  const steps = [[120, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"], [Infinity, 86400, "d"]];
  const [, size, unit] = steps.find(([limit]) => seconds < limit);
  return t(`unit.${unit}`, { n: Math.round(seconds / size) });
}

// The appliance's clock less the browser's, so that "ago" is right on a laptop whose clock is not.
let aheadMs = 0;
export function setClock(iso) { aheadMs = Date.parse(iso) - Date.now(); }
const age = (iso) => duration(Math.max(0, (Date.now() + aheadMs - Date.parse(iso)) / 1000));
export const ago = (iso) => t("ago", { time: age(iso) });
export const since = (iso) => t("since", { time: age(iso) });
const region = { en: "en-GB" }[lang] ?? lang; // days before months
const clock = new Intl.DateTimeFormat(region, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const date = new Intl.DateTimeFormat(region, { dateStyle: "short", timeStyle: "medium", hourCycle: "h23" });
export const time = (iso) => {
  const at = new Date(iso);
  return (Date.now() + aheadMs - at < 43200000 ? clock : date).format(at);
};
