// Hits, and where each is on its way: on the disk, taken by the broker, stored by the console.
import { $, facts, h, keyed, options, put } from "./dom.js";
import { byItself, live, on } from "./live.js";
import { show } from "./orders.js";
import { named, shot, threatList } from "./scan.js";
import { bytes, duration, number, score, t, time, word } from "./words.js";

const WAY = ["queued", "sent", "received"];
const LATEST = 6;
const PAGE = 25;
let shownHits = [];
let next = null;

function steps(hit) {
  const at = WAY.indexOf(hit.state);
  return h("span", { class: "steps" }, WAY.map((step, number) => h("i", { class: number <= at ? "done" : "", title: t(`hit.${step}`) })), h("span", { "data-state": hit.state }, t(`hit.${hit.state}`)));
}

const title = (hit) => hit.threats.map(named).join(", ") || "–";

function make() {
  return h("li", {}, h("span", { class: "when" }), h("span", { class: "device" }), h("span", { class: "what-cell" }), h("span", { class: "steps-cell" }));
}

function update(row, hit) {
  row.className = hit.severity;
  row.children[0].textContent = time(hit.observed_at);
  row.children[1].textContent = hit.device;
  if (!row.querySelector("button")) put(row.children[2], h("button", { type: "button", class: "what" }), h("span", { class: "severity" }), h("span", { class: "dim more" }));
  const button = row.querySelector("button");
  button.textContent = title(hit);
  button.onclick = () => open(hit.hit_id);
  row.querySelector(".severity").textContent = ` ${word("severity", hit.severity)}`;
  row.querySelector(".more").textContent = [hit.score === null ? "" : score(hit.score), hit.bag_tag ? t("bag", { tag: hit.bag_tag }) : "", hit.outcome ? word("outcome", hit.outcome) : ""].filter(Boolean).map((each) => ` · ${each}`).join("");
  put(row.children[3], steps(hit), hit.set_aside ? h("span", { class: "aside" }, ` ${t("hit.aside")}: ${hit.set_aside}`) : null);
}

async function fetchHits(query, headers = {}) {
  const answer = await fetch(`/api/hits?${new URLSearchParams(query)}`, { headers });
  return answer.ok ? answer.json() : { hits: [], next: null };
}

const draw = (list, hits) => keyed(list, hits, (hit) => hit.hit_id, make, update);
const filter = () => Object.fromEntries([...new FormData($("hits-filter"))].filter(([, value]) => value));

async function refresh() {
  draw($("latest"), (await fetchHits({ limit: LATEST }, byItself)).hits);
  if (!document.querySelector("[data-page=hits]").hidden) await shown(byItself);
}

// As many as are shown already, so that what was opened does not fold again.
export async function shown(headers = {}) {
  const found = await fetchHits({ ...filter(), limit: Math.min(200, Math.max(PAGE, shownHits.length)) }, headers);
  shownHits = found.hits;
  after(found.next);
}

function after(place) {
  next = place;
  draw($("hits"), shownHits);
  if (!shownHits.length) put($("hits"), h("li", { class: "dim" }, t("hits.none")));
  $("more").hidden = next === null;
}

function way(state) {
  const { health, console: link } = state, waiting = health.queued.hit ?? 0;
  const rest = Object.entries(health.queued).filter(([name]) => name !== "hit").map(([name, rows]) => `${word("class", name)} ${number(rows)}`).join(", ");
  put($("way"), h("div", { class: waiting ? "wait" : "" }, h("b", {}, number(waiting)), t("way.waiting"), health.oldest_unsent_hit_s ? h("div", { class: "dim small" }, t("way.oldest", { time: duration(health.oldest_unsent_hit_s) })) : null),
    h("div", { class: link.connected ? "" : "wait" }, h("b", {}, t(link.connected ? "chip.connected" : "chip.away")), h("span", { class: "small" }, link.url.replace(/^mqtts?:\/\//, "")), link.connected || !link.error ? null : h("div", { class: "dim small" }, link.error)),
    h("div", {}, h("b", {}, bytes(health.outbox_bytes)), t("way.outbox"), rest ? h("div", { class: "dim small" }, rest) : null));
}

async function picture(place, hit) {
  put(place, h("p", {}, t("picture.coming")));
  const answer = await fetch(`/api/hits/${hit.hit_id}/picture.jpg`);
  if (!answer.ok) { put(place, h("p", {}, (await answer.json()).detail)); return; }
  const where = answer.headers.get("X-Place").split(" ").map(Number), view = Number(answer.headers.get("X-View"));
  // Fetched once and drawn, not named in an image: each fetch is somebody who saw evidence.
  put(place, shot(await createImageBitmap(await answer.blob()), where, hit.threats, view));
}

async function open(hitId) {
  const answer = await fetch(`/api/hits/${encodeURIComponent(hitId)}`);
  if (!answer.ok) return;
  const hit = await answer.json(), place = h("div", { class: "evidence" });
  const seen = h("button", { type: "button", onclick: () => { seen.remove(); picture(place, hit); } }, t("picture.show"));
  show(title(hit), hit.picture ? [h("p", { class: "buttons technician" }, seen, h("span", { class: "dim small" }, t("picture.logged"))), place] : null, threatList(hit.threats), h("p", {}, steps(hit)),
    facts([[t("hit.queued"), time(hit.committed_at)], hit.sent_at && [t("hit.sent"), time(hit.sent_at)], hit.received_at && [t("hit.received"), time(hit.received_at)], hit.set_aside && [t("hit.aside"), hit.set_aside],
      [t("device"), hit.device], [t("severity"), word("severity", hit.severity)], hit.score !== null && [t("score"), `${score(hit.score)} (${t("whatif.threshold")} ${score(hit.threshold)})`], hit.bag_tag && [t("bag.tag"), hit.bag_tag],
      [t("scan.id"), hit.scan_id], [t("hit.id"), `${hit.hit_id} · rev ${hit.rev} · nr ${hit.seq}`], hit.outcome && [t("outcome"), word("outcome", hit.outcome)]]),
    hit.acts.length ? [h("h3", {}, t("acts")), h("ul", {}, hit.acts.map((act) => h("li", {}, `${time(act.at)} · ${word("act", act.kind)}${act.by ? ` · ${act.by}` : ""}${act.outcome ? ` · ${word("outcome", act.outcome)}` : ""}`)))] : null,
    hit.evidence ? h("p", { class: "buttons technician" }, h("a", { href: `/evidence/${hit.hit_id}.zip`, download: true }, t("evidence.download"))) : null);
}

$("hits-filter").addEventListener("change", () => { shownHits = []; shown(); });
$("more").addEventListener("click", async () => {
  const found = await fetchHits({ ...filter(), limit: PAGE, before: next });
  shownHits = [...shownHits, ...found.hits];
  after(found.next);
});
on("hits", refresh);
on("state", (state) => {
  way(state);
  options($("hits-filter").elements.device, state.devices.map((device) => device.name));
});
