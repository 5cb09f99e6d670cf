// The configuration: looked at, changed, checked, and put on trial.
import { $, h, put } from "./dom.js";
import { live, on } from "./live.js";
import { ask, order, said } from "./orders.js";
import { t } from "./words.js";

const PROBLEM = /^([^:]+\.toml):(\d+): (.*)$/s;
const NAME = /^[a-z0-9][a-z0-9_\-]{0,62}$/; // browsers read a pattern by the rules of /v: a bare "-" at a class’s end is none there
let files = {}; // as they are in force
let edited = {}; // what was changed here; null: removed
let staged = null; // the SHA-256 of what the appliance has checked
let marks = {}; // by file: lines with a problem
let waitingFor = sessionStorage.getItem("transaction"), pastTold = null;

const names = () => [...new Set([...Object.keys(files), ...Object.keys(edited)])].filter((name) => edited[name] !== null).sort((a, b) => (a !== "edge.toml") - (b !== "edge.toml") || a.localeCompare(b));
const current = () => edited[$("file").value] ?? files[$("file").value] ?? "";
const changes = () => Object.fromEntries(Object.entries(edited).filter(([name, text]) => text !== (files[name] ?? null)));

function drawNumbers() {
  const bad = new Set(marks[$("file").value] ?? []), pre = $("numbers");
  put(pre, $("text").value.split("\n").map((_, at) => h("span", { class: bad.has(at + 1) ? "bad" : "" }, `${at + 1}\n`)));
  pre.scrollTop = $("text").scrollTop;
}

function drawFile() {
  $("text").value = current();
  drawNumbers();
}

function draw(choose = $("file").value) {
  const list = names();
  put($("file"), list.map((name) => h("option", { value: name, selected: name === choose }, name in changes() ? `${name} *` : name)));
  drawFile();
  drawChanged();
}

function drawChanged() {
  const changed = Object.entries(changes());
  $("changed").textContent = changed.length ? t("config.changed", { files: changed.map(([name, text]) => (text === null ? `− ${name}` : name)).join(", ") }) : t("config.same");
  $("check").disabled = $("undo").disabled = !changed.length;
  $("apply").disabled = staged === null;
  $("drop-file").disabled = !$("file").value.startsWith("devices/");
  for (const option of $("file").options) option.textContent = option.value in changes() ? `${option.value} *` : option.value;
}

async function load() {
  const answer = await fetch("/api/config");
  if (!answer.ok) { put($("checked"), h("p", { class: "note bad" }, (await answer.json()).detail)); return; }
  files = await answer.json();
  draw();
}

export const shown = () => { if (!Object.keys(changes()).length) load(); };

function change(name, text) {
  edited[name] = text;
  staged = null;
  drawChanged();
}

function at(name, line) {
  if (names().includes(name)) $("file").value = name;
  drawFile();
  const text = $("text"), start = text.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0), end = text.value.indexOf("\n", start);
  text.focus();
  text.setSelectionRange(start, end < 0 ? text.value.length : end);
  text.scrollTop = (line - 5) * parseFloat(getComputedStyle(text).lineHeight);
}

function problem(each) {
  const match = PROBLEM.exec(each);
  if (!match) return h("li", {}, each);
  const [, name, line, rest] = match;
  if (!rest.includes(": warning: ")) (marks[name] ??= []).push(Number(line));
  return h("li", {}, h("button", { type: "button", class: "at", onclick: () => at(name, Number(line)) }, `${name}:${line}`), rest);
}

function probed([name, found]) {
  return h("li", {}, h("b", {}, name), ` ${t(found.ok ? "probe.ok" : "probe.failed")} `, h("span", { class: "dim" }, found.steps.join(" · ")), found.mend ? h("p", { class: "note" }, found.mend) : null);
}

async function check() {
  $("check").disabled = true;
  marks = {};
  put($("checked"), h("p", {}, t("config.checking")));
  const reply = await order("config.stage", { files: changes() }), result = reply.result ?? {};
  staged = reply.status === "done" ? result.sha256 : null;
  const good = staged !== null;
  put($("checked"), h("p", { class: `note ${good ? "good" : "bad"}`, "data-status": reply.status }, good ? t("config.good") : said(reply)), result.problems?.length ? h("ul", {}, result.problems.map(problem)) : null,
    Object.keys(result.probes ?? {}).length ? [h("h3", {}, t("config.probes")), h("ul", {}, Object.entries(result.probes).map(probed))] : null);
  drawFile();
  drawChanged();
}

async function apply() {
  if (!$("trial-s").reportValidity()) return;
  const trial = Number($("trial-s").value);
  const reply = await ask(t("config.apply"), t("config.apply.sure", { n: trial }), t("config.apply"), () => order("config.commit", { sha256: staged, trial_s: trial }));
  if (reply) follow(reply);
}

// The appliance starts again with it: the answer is fetched from whichever run of it knows.
function follow(reply) {
  put($("checked"), h("p", { class: `note ${reply.status === "accepted" || reply.status === "done" ? "" : "bad"}`, "data-status": reply.status }, said(reply)));
  if (reply.status !== "accepted") return;
  edited = {};
  staged = null;
  waitingFor = reply.transaction;
  sessionStorage.setItem("transaction", waitingFor);
}

async function ended() {
  if (!waitingFor) return;
  let reply;
  try {
    const answer = await fetch(`/api/replies/${encodeURIComponent(waitingFor)}`);
    if (!answer.ok) return;
    reply = await answer.json();
  } catch { return; }
  if (reply.status === "accepted") return;
  waitingFor = null;
  sessionStorage.removeItem("transaction");
  const good = reply.code === "committed" || (reply.status === "done" && reply.code === "rolled-back");
  put($("checked"), h("p", { class: `note ${good ? "good" : "bad"}`, "data-status": reply.status }, t(reply.code === "committed" ? "trial.committed" : "trial.rolled-back"), ` ${reply.detail}`));
  load();
}

function add() {
  const name = h("input", { required: true, pattern: NAME.source, maxlength: 63, autocomplete: "off" });
  ask(t("config.new"), t("config.new.how"), t("config.new"), async () => {
    const path = `devices/${name.value}.toml`;
    if (names().includes(path)) return { status: "failed", code: "there", detail: path };
    change(path, 'driver = ""\n[settings]\n');
    draw(path);
    return { status: "done", code: "", detail: "" };
  }, [h("label", { class: "block" }, t("config.new.name"), name)]);
}

$("file").addEventListener("change", () => { drawFile(); drawChanged(); });
$("text").addEventListener("input", () => { change($("file").value, $("text").value); drawNumbers(); });
$("text").addEventListener("scroll", () => { $("numbers").scrollTop = $("text").scrollTop; });
$("check").addEventListener("click", check);
$("apply").addEventListener("click", apply);
$("undo").addEventListener("click", () => { edited = {}; staged = null; marks = {}; put($("checked")); draw(); });
$("rollback").addEventListener("click", async () => { const reply = await ask(t("config.rollback"), t("config.rollback.sure"), t("config.rollback"), () => order("config.rollback")); if (reply) follow(reply); });
$("new-file").addEventListener("click", add);
$("drop-file").addEventListener("click", () => { const name = $("file").value; if (name in files) change(name, null); else delete edited[name]; draw("edge.toml"); });
on("open", ended);
// Whoever signed in anew, or at another machine, is told too how the last trial ended where it was taken back.
function past(trial) {
  if (waitingFor || trial?.phase !== "ended" || trial.told.code !== "rolled-back" || pastTold === trial.sha256) return;
  pastTold = trial.sha256;
  if (!$("checked").childElementCount) put($("checked"), h("p", { class: "note", "data-past": trial.told.code }, t("trial.rolled-back"), ` ${trial.told.detail}`));
}

on("state", (state) => {
  past(state.trial);
  $("trial").hidden = state.trial?.phase !== "running";
  $("trial").textContent = t("trial.running");
  ended();
});
