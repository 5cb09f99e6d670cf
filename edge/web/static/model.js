// Models and their thresholds, self-test, drift and detection assurance.
import { $, facts, h, lamp, put } from "./dom.js";
import { live, on } from "./live.js";
import { ask, order, said } from "./orders.js";
import { histogram, rateBand, trials } from "./plot.js";
import { duration, number, percent, score, t, time, word } from "./words.js";
import { alarms } from "./scan.js";

const LAMPS = { ok: "good", watch: "warn", drifted: "bad", unknown: "off" };

function own(device) {
  const model = device.model, gainAge = live.state.health.calibration_age_h[device.name];
  const back = () => {
    const reason = h("input", { required: true, minlength: 3, maxlength: 300, autocomplete: "off" });
    ask(t("points.own"), t("points.own.sure", { name: device.name, normal: score(model.own.normal), elevated: score(model.own.elevated) }), t("points.own"),
      () => order("threshold.set", { device: device.name, normal: null, elevated: null, reason: reason.value }), [h("label", { class: "block" }, t("reason"), reason)]);
  };
  return h("div", {}, h("h3", {}, device.name), facts([[t("model"), `${model.name} ${model.version}`], ["SHA-256", h("code", {}, `${model.sha256.slice(0, 16)}…`)], [t("points"), t("points.are", { normal: score(model.normal), elevated: score(model.elevated) })],
    [t("points.set"), model.set ? t("points.by", { by: model.set.by, at: time(model.set.at), reason: model.set.reason }) : t("points.package")],
    [t("calibration"), model.measured ? t("calibration.on", { bags: number(model.measured.bags), share: percent(model.measured.alarms / model.measured.bags) }) : t("calibration.none")],
    gainAge !== undefined && [t("calibration.detector"), t("ago", { time: duration(gainAge * 3600) })]]), model.set ? h("p", { class: "buttons technician" }, h("button", { type: "button", onclick: back }, t("points.own"))) : null);
}

function drift(device) {
  const found = live.state.health.drift[device.name], scores = live.scores[device.name]?.scores ?? [];
  if (!found) return h("div", {}, h("h3", {}, t("drift")), h("p", { class: "dim" }, t("drift.none")));
  return h("div", {}, h("h3", {}, lamp(LAMPS[found.state]), t("drift.is", { state: word("drift", found.state) })), found.reason ? h("p", { class: "dim" }, found.reason) : null,
    histogram(scores, device.model.normal, { edges: device.model.edges ?? [], height: 150, label: t("drift.plot", { n: scores.length, alarms: alarms(scores, device.model.normal) }) }),
    h("p", { class: "dim small" }, t("drift.read", { n: number(scores.length) }), device.model.edges ? ` ${t("drift.edges")}` : ""),
    found.alarm_limits ? [rateBand(found, t("drift.rate", { rate: percent(found.alarm_rate), low: percent(found.alarm_limits[0]), high: percent(found.alarm_limits[1]) })), h("p", { class: "dim small" }, t("drift.rate", { rate: percent(found.alarm_rate), low: percent(found.alarm_limits[0]), high: percent(found.alarm_limits[1]) }), ` PSI ${score(found.psi)}`)] : null);
}

function assurance(device) {
  const found = live.state.health.assurance[device.name], list = live.state.trials[device.name] ?? [];
  if (!found) return h("div", {}, h("h3", {}, t("trials")), h("p", { class: "dim" }, t("trials.off")));
  if (!list.length) return h("div", {}, h("h3", {}, t("trials")), h("p", { class: "dim" }, found.problem || t("trials.none")));
  const label = t("trials.read", { detected: found.detected, trials: found.trials, low: percent(found.interval[0]), high: percent(found.interval[1]) });
  const missed = Object.entries(found.missed).map(([kind, count]) => `${kind} ${count}`).join(", ");
  return h("div", {}, h("h3", {}, t("trials")), trials(list, found, label), h("p", { class: "dim small" }, label, missed ? ` ${t("trials.missed", { kinds: missed })}` : ""), found.problem ? h("p", { class: "note" }, found.problem) : null);
}

function history(lines) {
  if (!lines.length) return h("p", { class: "dim" }, t("history.none"));
  const head = ["at", "by", "model", "device", "points", "reason"].map((name) => h("th", { scope: "col" }, t(`history.${name}`)));
  return h("div", { class: "scroll", tabindex: 0 }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, [...lines].reverse().map((line) => h("tr", {}, [time(line.at), line.by, `${line.model} ${line.version}`, line.device ?? t("all"), line.normal === null ? t("points.package") : `${score(line.normal)} / ${score(line.elevated)}`, line.reason].map((cell) => h("td", {}, cell)))))));
}

export function shown() {
  const { state } = live;
  if (!state || document.querySelector("[data-page=model]").hidden) return;
  const devices = state.devices.filter((device) => device.model), { health } = state;
  put($("models"), facts([[t("judged"), number(health.judged)], [t("speed"), health.model_p50_ms === null ? "–" : t("speed.is", { p50: number(health.model_p50_ms), p99: number(health.model_p99_ms) })], [t("overloaded"), number(health.overloaded)]]), h("div", { class: "cards" }, devices.map(own)));
  put($("plots"), devices.map((device) => h("section", { class: "panel", "aria-label": device.name }, h("h2", {}, device.name), h("div", { class: "cards" }, drift(device), assurance(device)))));
  put($("history"), history(state.history));
}

// Drawn anew only where something has changed: else a focus in the page would be lost each second.
let seen = "";
on("state", (state) => {
  const { health } = state, mark = JSON.stringify([state.history, state.trials, state.devices.map((device) => device.model), health.drift, health.assurance, health.judged]);
  if (mark === seen) return;
  seen = mark;
  shown();
});

$("selftest").addEventListener("click", async (event) => {
  event.target.disabled = true;
  put($("selftest-said"), t("selftest.under-way"));
  const reply = await order("selftest");
  put($("selftest-said"), h("span", { class: `note ${reply.status === "done" ? "good" : "bad"}`, "data-status": reply.status }, said(reply)));
  event.target.disabled = false;
});
