// The appliance's log, newest last, filtered as one types.
import { $, h, options, put } from "./dom.js";
import { live, on } from "./live.js";
import { t } from "./words.js";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const FORM = /^(\S+ \S+) ([A-Z]+) ([^:\s]+): /;
const form = $("log-filter").elements;

export function parsed(line) {
  const match = FORM.exec(line);
  return match ? { level: match[2], source: match[3], line } : { level: "INFO", source: "", line };
}

export function shown() {
  if (document.querySelector("[data-page=log]").hidden || form.pause.checked) return;
  const all = live.lines.map(([number, line]) => ({ number, ...parsed(line) }));
  options(form.source, [...new Set(all.map((each) => each.source).filter(Boolean))].sort());
  const find = form.find.value.toLowerCase(), least = LEVELS.indexOf(form.level.value);
  const chosen = all.filter((each) => LEVELS.indexOf(each.level) >= least && (!form.source.value || each.source === form.source.value) && each.line.toLowerCase().includes(find));
  const list = $("log"), atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
  put(list, chosen.map((each) => h("li", { class: each.level }, each.line)));
  $("log-count").textContent = t("log.count", { n: chosen.length, all: all.length });
  if (atEnd) list.scrollTop = list.scrollHeight;
}

$("log-filter").addEventListener("input", shown);
$("log-filter").addEventListener("submit", (event) => event.preventDefault());
on("log", shown);
