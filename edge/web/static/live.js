// What the appliance tells, as it comes; and who wants to hear of it.
import { $ } from "./dom.js";
import { setClock, t } from "./words.js";

export const live = { state: null, scores: {}, scans: {}, lines: [] };
const LINES = 1000;
const listeners = {};

export function on(name, listener) { (listeners[name] ??= []).push(listener); }
function tell(name, said) { for (const listener of listeners[name] ?? []) listener(said); }

const take = {
  state(said) { live.state = said; setClock(said.health.at); },
  scores(said) { live.scores[said.device] = said; },
  scan(said) { live.scans[said.device] = said; },
  log(said) { live.lines.push(...said); live.lines.splice(0, live.lines.length - LINES); },
  hits() {},
};

function say(state) {
  document.body.dataset.stream = state;
  $("live").textContent = t(`live.${state}`);
  $("live").className = state === "lost" ? "lost" : "";
}

// Said of what is asked with nobody there: it keeps nobody signed in.
export const byItself = { "X-By-Itself": "1" };

export function open() {
  const source = new EventSource("/events");
  source.onopen = () => { live.lines.length = 0; say("open"); tell("open"); };
  source.onerror = async () => {
    say("lost");
    // Closed for good, not only cut: somebody has to sign in again, or the page is not served as it was.
    if (source.readyState !== EventSource.CLOSED) return;
    try {
      const answer = await fetch("/api/visitor");
      if (answer.status === 401) { location.assign("/sign-in"); return; }
    } catch { /* not there yet: tried again below */ }
    setTimeout(open, 3000);
  };
  for (const name of Object.keys(take)) {
    source.addEventListener(name, (event) => {
      const said = JSON.parse(event.data);
      take[name](said);
      tell(name, said);
    });
  }
}
