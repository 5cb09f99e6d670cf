// Orders to the appliance, and what became of them; a dialogue for what must be meant.
import { $, h, put } from "./dom.js";
import { on } from "./live.js";
import { t, word } from "./words.js";

let visitor = null;
export async function whoami() {
  const answer = await fetch("/api/visitor", { headers: { Accept: "application/json" } });
  if (answer.status === 401) location.assign("/sign-in");
  visitor = await answer.json();
  return visitor;
}
// After a restart of the appliance the old token is worth nothing.
on("open", () => whoami().catch(() => {}));

export async function order(name, args = {}) {
  const { csrf } = visitor ?? (await whoami());
  try {
    const answer = await fetch(`/api/orders/${name}`, {
      method: "POST", body: JSON.stringify(args), headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    });
    if (answer.headers.get("content-type")?.startsWith("application/json")) return await answer.json();
    return { status: "failed", code: String(answer.status), detail: (await answer.text()).trim() };
  } catch {
    return { status: "failed", code: "gone", detail: t("order.gone") };
  }
}

export function said(reply) {
  const good = reply.status === "done" || reply.status === "accepted";
  return h("span", { class: "reply" }, h("b", {}, word("reply", reply.status)), reply.detail ? `: ${reply.detail}` : "", good ? "" : ` (${reply.code})`);
}

export function show(title, ...content) {
  const dialog = $("dialog");
  put(dialog, h("div", { class: "heading" }, h("h2", {}, title), h("button", { type: "button", onclick: () => dialog.close() }, t("close"))), content);
  if (!dialog.open) dialog.showModal();
  return dialog;
}

// Asks before an order is given; `fields` are what it needs besides. Resolves with the reply, or null.
export function ask(title, text, yes, give, fields = []) {
  return new Promise((resolve) => {
    const told = h("p", { role: "status" });
    const button = h("button", { class: "main" }, yes);
    let reply = null;
    const form = h("form", {
      onsubmit: async (event) => {
        event.preventDefault();
        button.disabled = true;
        told.textContent = t("order.under-way");
        reply = await give();
        put(told, said(reply));
        button.disabled = false;
        if (reply.status === "done" || reply.status === "accepted") dialog.close();
      },
    }, h("p", {}, text), fields, h("p", { class: "buttons" }, button), told);
    const dialog = show(title, form);
    dialog.addEventListener("close", () => resolve(reply), { once: true });
  });
}
