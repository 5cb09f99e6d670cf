// Puts the parts together: tabs, the header's chips, the clock that keeps "ago" true.
import { $, h, lamp, put } from "./dom.js";
import { live, on, open } from "./live.js";
import { word, t } from "./words.js";
import * as lane from "./lane.js";
import * as hits from "./hits.js";
import * as model from "./model.js";
import * as config from "./config.js";
import * as log from "./log.js";

const parts = { lane, hits, model, config, log };

function turn() {
  const wanted = location.hash.slice(1);
  const known = document.querySelector(`[data-tab="${CSS.escape(wanted)}"]`);
  const chosen = known && getComputedStyle(known).display !== "none" ? wanted : "lane";
  for (const section of document.querySelectorAll("[data-page]")) section.hidden = section.dataset.page !== chosen;
  for (const tab of document.querySelectorAll("[data-tab]")) {
    if (tab.dataset.tab === chosen) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.title = `${t(`tab.${chosen}`)} · JAITF Edge`;
  parts[chosen].shown?.();
}

const chip = (state, name, value) => h("li", {}, lamp(state), h("span", {}, `${name} `, h("b", {}, value)));

function head(state) {
  const { health, appliance, console: link } = state;
  $("who").textContent = `${appliance.site} / ${appliance.lane} / ${appliance.id}`;
  const storage = { ok: "good", reserve: "warn" }[health.storage] ?? "bad";
  put($("chips"), chip(link.connected ? "good" : "warn", t("chip.console"), t(link.connected ? "chip.connected" : "chip.away")),
    chip(health.blind ? "bad" : "good", t("chip.model"), t(health.blind ? "chip.blind" : "chip.sees")),
    chip(storage, t("chip.store"), word("storage", health.storage)),
    chip({ synced: "good", holdover: "warn" }[health.clock.quality] ?? "warn", t("chip.clock"), word("clock", health.clock.quality)));
}

$("lang").addEventListener("change", (event) => { location.assign(`/?lang=${event.target.value}${location.hash}`); });
addEventListener("hashchange", () => { turn(); $("main").focus({ preventScroll: true }); scrollTo(0, 0); });
on("state", head);
turn();
open();
setInterval(() => { if (live.state) lane.tick(live.state); }, 1000);
