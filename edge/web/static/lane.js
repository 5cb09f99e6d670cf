// The lane at a glance: what needs somebody, each device as a row of life.
import { $, h, keyed, put } from "./dom.js";
import { live, on } from "./live.js";
import { ask, order } from "./orders.js";
import { heartbeat } from "./plot.js";
import { ago, duration, number, since, t, word } from "./words.js";
import "./scan.js";

const RATE_MINUTES = 5;
const LATE_HIT_S = 60;

// Observations a minute, over the last minutes of which the one under way is `intoS` seconds old.
export function rate(minutes, intoS, uptimeS) {
  const seconds = Math.min((RATE_MINUTES - 1) * 60 + intoS, uptimeS);
  return seconds < 1 ? 0 : (minutes.slice(-RATE_MINUTES).reduce((sum, each) => sum + each, 0) * 60) / seconds;
}

function menu(name) {
  const act = (what) => h("button", { type: "button", onclick: () => ask(t(`device.${what}`), t(`device.${what}.sure`, { name }), t(`device.${what}`), () => order(`device.${what}`, { device: name })) }, t(`device.${what}`));
  return h("details", { class: "menu technician" }, h("summary", { "aria-label": t("device.menu", { name }) }, "⋯"), h("div", {}, act("restart"), act("disable"), act("enable")));
}

function make(device) {
  return h("li", {}, h("div", { class: "name" }, h("span", { class: "lamp", "aria-hidden": "true" }), h("b", {}, device.name), h("span", { class: "dim small" }, ` ${device.driver}`), h("div", { class: "state small" })),
    h("div", { class: "pulse" }), h("div", { class: "rate" }, h("div", { class: "per" }), h("div", { class: "last dim small" })), menu(device.name), h("div", { class: "why", hidden: true }, h("p", {}), h("p", { class: "mend" })));
}

function update(row, device) {
  const part = (name) => row.querySelector(`.${name}`);
  row.className = device.state;
  if (device.last && row.dataset.last && row.dataset.last !== device.last) {
    row.classList.remove("fresh");
    void row.offsetWidth; // lets the lamp flash anew
    row.classList.add("fresh");
  }
  row.dataset.last = device.last ?? "";
  part("lamp").className = `lamp ${device.state}`;
  part("state").textContent = `${word("state", device.state)} · ${since(device.since)}`;
  put(part("pulse"), heartbeat(device.minutes, t("pulse", { name: device.name, n: device.minutes.reduce((a, b) => a + b, 0) })));
  const per = rate(device.minutes, live.state.minute_s, live.state.health.uptime_s);
  part("per").textContent = t("per.minute", { n: number(per) });
  part("last").textContent = device.last ? ago(device.last) : t("last.none");
  const bad = device.state !== "up" || device.reason;
  part("why").hidden = !bad;
  part("why").firstChild.textContent = bad ? [device.reason, device.code && device.code !== device.reason ? `(${device.code})` : "", device.restarts ? t("restarts", { n: device.restarts }) : ""].filter(Boolean).join(" ") : "";
  part("mend").textContent = device.mend ? t("mend", { mend: device.mend }) : "";
}

// What needs somebody, the worst first; each with what to look at.
export function concerns(state) {
  const { health, devices, console: link, trial } = state, found = [];
  const add = (level, what, why = "") => found.push({ level, what, why });
  if (health.blind) add("bad", t("need.blind"), health.blind_reason);
  if (health.storage !== "ok") add(health.storage === "reserve" ? "warn" : "bad", t("need.storage"), health.storage_reason);
  for (const each of devices) if (each.state === "down") add("bad", t("need.down", { name: each.name }), each.reason);
  for (const each of devices) if (each.state === "degraded") add("warn", t("need.degraded", { name: each.name }), each.reason);
  if (!link.connected) add("warn", t("need.console"), link.error);
  if (health.oldest_unsent_hit_s > LATE_HIT_S) add("warn", t("need.unsent", { time: duration(health.oldest_unsent_hit_s) }));
  if (health.set_aside) add("bad", t("need.aside", { n: health.set_aside }));
  for (const [name, each] of Object.entries(health.drift)) if (each.state === "drifted" || each.state === "watch") add(each.state === "drifted" ? "bad" : "warn", t("need.drift", { name }), each.reason);
  for (const [name, each] of Object.entries(health.assurance)) if (each.problem) add("warn", t("need.assurance", { name }), each.problem);
  if (health.certificate && health.certificate.state !== "ok") add("warn", t("need.certificate", { n: Math.floor(health.certificate.days_left) }));
  if (health.clock.quality === "unsynced") add("warn", t("need.clock"));
  if (trial && trial.phase === "running") add("warn", t("trial.running"));
  return [...found.filter((each) => each.level === "bad"), ...found.filter((each) => each.level !== "bad")];
}

function attention(state) {
  const found = concerns(state);
  const rows = found.length ? found : [{ level: "good", what: t("need.nothing"), why: "" }];
  keyed($("attention"), rows, (each) => each.what + each.level, () => h("li", {}, h("b", {}), h("span", {})), (row, each) => {
    row.className = each.level;
    row.firstChild.textContent = each.what;
    row.lastChild.textContent = each.why;
  });
}

export function tick(state) {
  keyed($("devices"), state.devices, (device) => device.name, make, update);
}

on("state", (state) => { tick(state); attention(state); });
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.menu[open]")) if (!open.contains(event.target) || event.target.tagName === "BUTTON") open.open = false;
});
