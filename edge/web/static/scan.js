// The last scan with its findings drawn in, and what another threshold would have done to the last scans.
import { $, h, options, put, s } from "./dom.js";
import { byItself, live, on } from "./live.js";
import { ask, order } from "./orders.js";
import { histogram } from "./plot.js";
import { number, percent, score, t, time, word } from "./words.js";

const STEP = 0.01;
let device = null; // whose scans are shown
let tried = {}; // by device: the threshold that is tried
let found = {}; // by device: [score, whether there was a find] of searched hits

// A threat's label: translated where something shipped gives it; a site's own models and profiles have their own.
export const named = (threat) => word("label", threat.label);

export const alarms = (scores, threshold) => scores.reduce((count, each) => count + (each >= threshold), 0);

// The part at `place` of a scanner's picture, by its address or as a bitmap, with boxes in the scanner's pixels; what
// lies below a threshold that is tried is dashed.
export function shot(picture, place, threats, view, threshold = 0, peak = null) {
  const [left, top, columns, rows] = place;
  const boxes = threats.filter((each) => each.box && (each.view ?? 0) === view), drawn = picture instanceof ImageBitmap;
  const svg = s("svg", { class: "shot", preserveAspectRatio: drawn ? "none" : null, viewBox: place.join(" "), role: "img", "aria-label": t("shot", { n: boxes.length, labels: boxes.map(named).join(", ") || "–" }) },
    drawn ? null : s("image", { href: picture, x: left, y: top, width: columns, height: rows, preserveAspectRatio: "none" }));
  for (const each of boxes) {
    const [x, y, width, height] = each.box, pad = Math.max(rows, columns) / 150, edges = { x: x - pad, y: y - pad, width: width + 2 * pad, height: height + 2 * pad };
    const faint = each.score !== null && each.score < threshold;
    if (!faint) svg.append(s("rect", { class: "under", ...edges }));
    svg.append(s("rect", { class: faint ? "box faint" : "box", ...edges }, s("title", {}, `${named(each)} ${score(each.score)}`)));
  }
  if (drawn) {
    const canvas = h("canvas", { width: picture.width, height: picture.height });
    canvas.getContext("2d").drawImage(picture, 0, 0);
    const stack = h("div", { class: "stack" }, canvas, svg);
    stack.style.maxWidth = `${(60 * columns) / rows}vh`; // a tall bag is not taller than the screen
    return stack;
  }
  if (peak && !boxes.length) svg.append(s("circle", { class: "peak", cx: peak[0], cy: peak[1], r: Math.max(rows, columns) / 40 }, s("title", {}, t("shot.peak"))));
  return svg;
}

export const threatList = (threats) => h("ul", { class: "threats" }, threats.map((each) => h("li", {}, h("span", { class: "swatch", "aria-hidden": "true" }), named(each), " ", each.zone ? h("b", {}, each.zone) : each.measurement ? h("b", {}, `${each.measurement.value} ${each.measurement.unit}`) : h("b", {}, score(each.score)), h("span", { class: "dim" }, ` ${word("category", each.category)}`))));

function drawScan() {
  const scan = live.scans[device];
  if (!scan) { put($("scan"), h("p", { class: "nothing" }, t("scan.none"))); return; }
  const threshold = tried[device] ?? scan.threshold ?? 0;
  const picture = scan.picture && scan.place ? shot(`/api/scans/${scan.number}.jpg`, scan.place, scan.threats, scan.view, threshold, scan.peak) : h("p", { class: "nothing" }, t(scan.person ? "scan.person" : "scan.no-picture"));
  put($("scan"), picture, h("figcaption", { class: "said" }, h("span", { class: `decision ${scan.decision}` }, word("decision", scan.decision)),
    scan.score === null ? null : h("span", {}, t("scan.score", { score: score(scan.score), threshold: score(scan.threshold) })),
    h("span", { class: "dim" }, time(scan.at), scan.ms ? ` · ${number(scan.ms)} ms` : ""), scan.reason ? h("span", {}, scan.reason) : null, scan.threats.length ? threatList(scan.threats) : null));
}

function sentence(scores, threshold, now) {
  const count = alarms(scores, threshold), before = alarms(scores, now), finds = (found[device] ?? []).filter(([, find]) => find), empty = (found[device] ?? []).filter(([, find]) => !find);
  const missed = finds.filter(([each]) => each < threshold).length, spared = empty.filter(([each]) => each < threshold).length;
  return [h("p", { class: "answer", id: "answer", "aria-live": "polite" }, t("whatif.count", { scans: scores.length }), " ", h("b", { "data-alarms": count }, number(count)), " ", t("whatif.alarm", { share: percent(count / scores.length) }), " ",
    h("span", { class: "dim" }, t("whatif.now", { n: number(before), threshold: score(now) }))),
  finds.length + empty.length ? h("p", { class: missed ? "note bad" : "dim" }, t("whatif.found", { missed, finds: finds.length, spared, empty: empty.length })) : h("p", { class: "dim small" }, t("whatif.unsearched"))];
}

// The slider is made once for each device and only its words change: it must not lose the hand that holds it.
function whatIf() {
  const panel = $("whatif"), known = live.scores[device], model = live.state?.devices.find((each) => each.name === device)?.model;
  panel.hidden = !known?.scores.length || !model;
  if (panel.hidden) return;
  if (panel.dataset.device !== device) {
    panel.dataset.device = device;
    const range = h("input", { type: "range", id: "threshold", min: STEP, max: 1, step: STEP, oninput: () => { tried[device] = Number(range.value); whatIf(); drawScan(); } });
    const exact = h("input", { type: "number", id: "threshold-exact", min: STEP, max: 1, step: STEP, "aria-label": t("whatif.threshold"), onchange: () => { if (exact.reportValidity() && exact.value) { tried[device] = Number(exact.value); whatIf(); drawScan(); } } });
    put(panel, h("div", { class: "turn" }, h("label", { for: "threshold" }, t("whatif.threshold")), h("div", {}, h("div", { class: "bars" }), range), exact), h("div", { class: "told" }),
      h("p", { class: "buttons" }, h("button", { type: "button", class: "reset", onclick: () => { delete tried[device]; whatIf(); drawScan(); } }, t("whatif.reset")), h("button", { type: "button", class: "set technician", onclick: use }, t("whatif.use"))));
  }
  const threshold = tried[device] ?? model.normal;
  const part = (name) => panel.querySelector(name);
  for (const input of [$("threshold"), $("threshold-exact")]) if (document.activeElement !== input || input.type === "range") input.value = threshold.toFixed(2);
  put(part(".bars"), histogram(known.scores, threshold, { was: model.normal, height: 56, axis: false, label: t("whatif.plot", { n: known.scores.length }) }));
  put(part(".told"), sentence(known.scores, threshold, model.normal));
  part(".set").disabled = part(".reset").disabled = Math.abs(threshold - model.normal) < STEP / 2;
}

async function use() {
  const model = live.state.devices.find((each) => each.name === device).model, normal = tried[device], elevated = Math.min(model.elevated, normal);
  const reason = h("input", { required: true, minlength: 3, maxlength: 300, autocomplete: "off" });
  const reply = await ask(t("whatif.use"), t("whatif.sure", { name: device, normal: score(normal), elevated: score(elevated), was: score(model.normal) }), t("whatif.use"),
    () => order("threshold.set", { device, normal, elevated, reason: reason.value }), [h("label", { class: "block" }, t("reason"), reason)]);
  if (reply?.status === "done") delete tried[device];
}

function choose() {
  const names = live.state.devices.filter((each) => each.model || live.scans[each.name]).map((each) => each.name);
  if (!names.includes(device)) device = names[0] ?? null;
  $("scan-choice").hidden = names.length < 2;
  options($("scan-device"), names);
  $("scan-device").value = device;
}

async function searched() {
  const answer = await fetch("/api/found", { headers: byItself });
  if (answer.ok) { found = await answer.json(); if (live.state) whatIf(); }
}

$("scan-device").addEventListener("change", (event) => { device = event.target.value; drawScan(); whatIf(); });
on("state", () => { choose(); whatIf(); });
on("scores", () => { if (live.state) whatIf(); });
on("scan", (scan) => { device ??= scan.device; if (scan.device === device) drawScan(); });
on("hits", searched);
