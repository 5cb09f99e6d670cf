"use strict";
// The page works without this script; with it, it is live. All markup comes from the server, already escaped.
(() => {
  const MOST_CARDS = 300;
  const body = document.body;
  const lang = document.documentElement.lang;
  const locale = navigator.languages.find((each) => each.split("-")[0] === lang) ?? lang; // British or American dates
  const hits = document.getElementById("hits");
  const view = document.getElementById("view");
  const find = (id) => document.getElementById(id);

  const clockTime = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const dayTime = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const localTime = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" });
  const nowTime = new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "always", style: "short" });
  const UNITS = [["second", 1, 60], ["minute", 60, 60], ["hour", 3600, 48], ["day", 86400, Infinity]];

  // Times: the server writes UTC; the reader's own time zone is shown where it is short, both in the title.
  const ago = (at) => {
    const s = Math.max(0, (Date.now() - at) / 1000);
    const [unit, size] = UNITS.find(([, size_, most]) => s / size_ < most);
    return relative.format(-Math.floor(s / size), unit);
  };
  const addLocal = (time, at) => {
    if (time.nextElementSibling?.matches(".local")) return;
    const local = document.createElement("span");
    local.className = "local dim";
    local.textContent = localTime.format(at);
    time.after(" ", local);
  };
  const showTimes = (root) => {
    for (const time of root.querySelectorAll("time[data-show]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const show = time.dataset.show;
      if (show === "ago") time.textContent = ago(at.getTime());
      else if (show === "clock") time.textContent = (at.toDateString() === new Date().toDateString() ? clockTime : dayTime).format(at);
      else if (show === "full" && at.getTimezoneOffset() !== 0) addLocal(time, at);
    }
  };
  const tick = () => {
    for (const time of document.querySelectorAll('time[data-show="ago"]')) {
      const text = ago(new Date(time.dateTime).getTime());
      if (text !== time.textContent) time.textContent = text;
    }
    const now = find("now");
    if (now) now.textContent = nowTime.format(new Date());
  };

  // Cards, newest first: each goes to the place that its key (time, then arrival) gives it.
  const keyOf = (card) => card.dataset.key.split("-").map(Number);
  const newer = (a, b) => { const [at, an] = keyOf(a), [bt, bn] = keyOf(b); return at > bt || (at === bt && an > bn); };
  const fromHtml = (html) => { const box = document.createElement("template"); box.innerHTML = html; return box.content; };
  let unseen = 0;
  const putCard = (html, quiet) => {
    const card = fromHtml(html).firstElementChild;
    const old = find(card.id);
    const focused = old !== null && old.contains(document.activeElement);
    if (old) old.remove();
    else if (!quiet) unseen += 1;
    let place = hits.firstElementChild;
    while (place && newer(place, card)) place = place.nextElementSibling;
    if (place === null && find("older") && hits.children.length) return; // it belongs to an older page
    if (!quiet && old?.dataset.rev !== card.dataset.rev) card.classList.add("fresh");
    showTimes(card);
    hits.insertBefore(card, place);
    if (focused) card.querySelector("a").focus({ preventScroll: true });
  };
  const showUnseen = () => {
    if (!document.hidden && scrollY < 200) unseen = 0;
    const button = find("new");
    button.hidden = unseen === 0 || scrollY < 200;
    button.textContent = body.dataset.newHits.replace("{n}", unseen);
    document.title = document.title.replace(/^(\(\d+\) )?/, unseen ? `(${unseen}) ` : "");
  };
  const toNewest = () => { scrollTo({ top: 0 }); hits.querySelector("a")?.focus({ preventScroll: true }); };

  const shown = new Map();
  const replace = (id, html) => {
    const place = find(id);
    if (shown.get(id) === html) return;
    const open = new Map([...place.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
    shown.set(id, html);
    place.replaceChildren(fromHtml(html));
    for (const [each, was] of open) if (find(each)) find(each).open = was;
    showTimes(place);
  };
  const sayLive = (live) => {
    const chip = find("live");
    chip.hidden = live;
    chip.className = live ? "chip" : "chip lost";
    chip.textContent = live ? body.dataset.pageLive : body.dataset.pageLost;
    body.dataset.stream = live ? "open" : "lost";
  };
  const showCards = (news) => {
    if (news.replace) hits.replaceChildren();
    for (const html of [...news.cards].reverse()) putCard(html, news.replace);
    while (hits.children.length > MOST_CARDS) hits.lastElementChild.remove();
  };
  const onNews = (event) => {
    const news = JSON.parse(event.data);
    sayLive(true);
    if (body.dataset.live === "yes") showCards(news);
    replace("status", news.status);
    replace("side", news.side);
    replace("empty", news.empty);
    showUnseen();
  };
  const listen = () => {
    const source = new EventSource(`/events?since=${body.dataset.mark}&lang=${lang}${body.dataset.only}`);
    source.addEventListener("news", onNews);
    source.addEventListener("open", () => sayLive(true));
    source.addEventListener("error", () => {
      sayLive(false);
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
    });
  };

  // The hit view: over the list here, a page of its own by its address.
  let opener = null;
  const openView = async (url, push) => {
    const answer = await fetch(`${url}?part=view&lang=${lang}`);
    if (!answer.ok) { location.href = url; return; }
    view.replaceChildren(fromHtml(await answer.text()));
    view.dataset.url = url;
    showTimes(view);
    remembered(view);
    if (!view.open) view.showModal();
    view.scrollTop = 0;
    find("view-title").focus({ preventScroll: true });
    if (push) history.pushState({ url }, "", url);
  };
  const shut = () => { if (view.open) view.close(); };
  const step = (by) => {
    const links = [...hits.querySelectorAll("h3 a")];
    const path = view.open ? view.dataset.url : null;
    const at = links.findIndex((link) => (path ? link.pathname === path : link.contains(document.activeElement)));
    const link = links[Math.min(links.length - 1, Math.max(0, at + by))];
    if (!link) return;
    if (view.open) { opener = link; openView(link.pathname, false).then(() => history.replaceState({ url: link.pathname }, "", link.pathname)); }
    else { link.focus(); link.closest("li").scrollIntoView({ block: "nearest" }); }
  };
  const KEYS = {
    j: () => step(1), k: () => step(-1), n: () => { shut(); toNewest(); },
    "?": () => find("help").showModal(),
  };
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || find("help").open) return;
    if (event.target.closest("input, select, textarea, summary")) return;
    const onCard = view.open || hits.contains(document.activeElement);
    const arrows = { ArrowDown: "j", ArrowUp: "k" };
    const name = !view.open && onCard && event.key in arrows ? arrows[event.key]
      : view.open && event.key === "ArrowRight" ? "j" : view.open && event.key === "ArrowLeft" ? "k" : event.key;
    if (!Object.hasOwn(KEYS, name)) return;
    event.preventDefault();
    KEYS[name]();
  };

  // Who sits here is typed once. A form in the hit view is answered inside it; without this script it is a page.
  const remembered = (root) => {
    for (const field of root.querySelectorAll("[data-remember]")) field.value ||= localStorage.getItem(field.dataset.remember) ?? "";
  };
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field.dataset.remember) {
      localStorage.setItem(field.dataset.remember, field.value);
      for (const other of document.querySelectorAll(`[data-remember="${field.dataset.remember}"]`)) other.value = field.value;
    }
    if (field.closest("#filter")) field.form.submit();
  });
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.dataset.part !== "view" || !view?.contains(form)) return;
    event.preventDefault();
    const answer = await fetch(`${form.action}?part=view&lang=${lang}`, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    view.replaceChildren(fromHtml(await answer.text()));
    showTimes(view);
    remembered(view);
    view.querySelector(".said").scrollIntoView({ block: "nearest" });
    (view.querySelector("[role=alert]") ?? find("view-title")).focus?.({ preventScroll: true });
  });

  remembered(document);
  showTimes(document);
  tick();
  setInterval(tick, 1000);
  if (!hits) return;

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (event.target === view) { shut(); return; }
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.classList.contains("shut")) { event.preventDefault(); shut(); return; }
    if (link.pathname.startsWith("/hit/")) { event.preventDefault(); opener = link; openView(link.pathname, true); }
  });
  view.addEventListener("close", () => {
    if (history.state?.url) history.back();
    view.replaceChildren();
    // Its card may have been drawn anew meanwhile, with its picture.
    const again = opener?.isConnected ? opener : [...hits.querySelectorAll("h3 a")].find((link) => link.pathname === opener?.pathname);
    again ? again.focus() : toNewest();
  });
  addEventListener("popstate", () => {
    if (location.pathname.startsWith("/hit/")) openView(location.pathname, false);
    else shut();
  });
  addEventListener("scroll", showUnseen, { passive: true });
  document.addEventListener("visibilitychange", showUnseen);
  document.addEventListener("keydown", onKey);
  find("new").addEventListener("click", toNewest);
  const theme = document.documentElement.dataset;
  const nameTheme = () => { find("theme").textContent = theme.theme === "light" ? find("theme").dataset.dark : find("theme").dataset.light; };
  nameTheme();
  find("theme").hidden = false;
  find("theme").addEventListener("click", () => {
    theme.theme = theme.theme === "light" ? "dark" : "light";
    localStorage.setItem("theme", theme.theme);
    nameTheme();
  });
  find("keys").hidden = false;
  find("keys").addEventListener("click", () => find("help").showModal());
  listen();
})();
