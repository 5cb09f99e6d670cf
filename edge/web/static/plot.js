// Small plots as SVG. Each has a name that says in words what it shows.
import { s } from "./dom.js";
import { percent, score, t } from "./words.js";

const BINS = 40;
const plot = (width, height, label, ...children) => s("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, s("title", {}, label), children);
const line = (cls, x1, y1, x2, y2) => s("line", { class: cls, x1, y1, x2, y2 });
const text = (x, y, said, anchor = "start") => s("text", { x, y, "text-anchor": anchor }, said);

// Counts of scores in bars over 0..1; those at or above the cut in another colour. Heights go by the square root, so
// that a few high scores are seen beside the many low ones.
export function histogram(scores, cut, { was = null, edges = [], height = 120, axis = true, label = "" } = {}) {
  const width = 480, floor = axis ? height - 18 : height - 1, counts = new Array(BINS).fill(0), over = new Array(BINS).fill(0);
  for (const each of scores) {
    const bin = Math.min(BINS - 1, Math.floor(each * BINS));
    counts[bin] += 1;
    if (each >= cut) over[bin] += 1;
  }
  const most = Math.max(1, ...counts), size = (count) => Math.sqrt(count / most) * (floor - 4), step = width / BINS;
  const bars = counts.flatMap((count, at) => count === 0 ? [] : [
    s("rect", { class: "bar", x: at * step + 0.5, y: floor - size(count), width: step - 1, height: size(count) }),
    over[at] ? s("rect", { class: "over", x: at * step + 0.5, y: floor - size(count) * (over[at] / count), width: step - 1, height: size(count) * (over[at] / count) }) : null,
  ]);
  return plot(width, height, label, bars, edges.map((edge) => line("edge", edge * width, 4, edge * width, floor)),
    line("axis", 0, floor, width, floor), was === null ? null : line("was", was * width, 0, was * width, floor), line("cut", cut * width, 0, cut * width, floor),
    axis ? [0, 0.25, 0.5, 0.75, 1].map((at) => text(at * width, height - 4, score(at), at === 0 ? "start" : at === 1 ? "end" : "middle")) : null);
}

// Observations of the last hour, a bar a minute.
export function heartbeat(minutes, label) {
  const width = 120, height = 30, most = Math.max(1, ...minutes), step = width / minutes.length;
  return s("svg", { class: "beat", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    line("ground", 0, height - 0.5, width, height - 0.5),
    minutes.map((count, at) => count ? s("rect", { class: at === minutes.length - 1 ? "now" : "", x: at * step + 0.2, width: step - 0.4, y: height - 1 - (count / most) * (height - 3), height: (count / most) * (height - 3) }) : null));
}

// The part of the last scans that alarmed, over what chance allows around the calibration's.
export function rateBand(drift, label) {
  const [low, high] = drift.alarm_limits, most = Math.min(1, Math.max(high, drift.alarm_rate, drift.expected_alarm_rate) * 1.35 + 0.01), at = (value) => (value / most) * 480;
  return plot(480, 46, label, s("rect", { class: "band", x: at(low), y: 8, width: Math.max(1, at(high) - at(low)), height: 16 }),
    line("axis", 0, 28, 480, 28), line("was", at(drift.expected_alarm_rate), 4, at(drift.expected_alarm_rate), 28), s("circle", { class: "dot", cx: at(drift.alarm_rate), cy: 16, r: 5 }),
    text(0, 42, percent(0)), text(480, 42, percent(most), "end"));
}

// Detection trials: each one a mark, the oldest first; below, the rate with its interval.
export function trials(list, assured, label) {
  const columns = 25, step = 19, rows = Math.ceil(list.length / columns), top = rows * step + 6;
  const marks = list.map((trial, at) => {
    const x = (at % columns) * step + 8, y = Math.floor(at / columns) * step + 9;
    return trial.detected ? s("circle", { class: "hit", cx: x, cy: y, r: 6 }, s("title", {}, `${trial.kind}, ${trial.at}`)) : s("path", { class: "miss", d: `M${x - 5} ${y - 5}l10 10M${x + 5} ${y - 5}l-10 10` }, s("title", {}, `${trial.kind}, ${trial.at}`));
  });
  const [low, high] = assured.interval, at = (value) => value * 480;
  return plot(480, top + 40, label, marks, line("axis", 0, top + 12, 480, top + 12), line("range", at(low), top + 12, at(high), top + 12),
    assured.rate === null ? null : s("circle", { class: "dot", cx: at(assured.rate), cy: top + 12, r: 5 }), text(0, top + 34, percent(0)), text(480, top + 34, percent(1), "end"), text(240, top + 34, t("trials.interval"), "middle"));
}
