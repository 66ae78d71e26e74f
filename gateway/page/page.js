// Makes the first page live: forms send JSON, events of the node fetch the parts they concern again.

const main = document.querySelector("main");
const made = document.getElementById("made-invites");
const live = document.querySelector("#live");

/** Which parts of the page an event concerns. */
const PARTS = {
  blockStored: ["blocks", "devices"],
  bodyCompleted: ["blocks"],
  peerSighted: ["devices"],
  peerGone: ["devices"],
  sessionUp: ["devices"],
  sessionDown: ["devices"],
  inSyncWith: ["devices"],
  meshJoined: ["devices", "pairing"],
  memberChanged: ["devices", "pairing"],
  // A wrong code spends an invite; that is told as a warning.
  warning: ["pairing"],
  pairingChanged: ["pairing", "devices"],
  messageReceived: ["conversations", "messages"],
  deliveryChanged: ["messages"],
  conversationChanged: ["conversations", "messages"],
  resync: ["blocks", "devices", "pairing", "conversations", "messages"],
};
const REFRESH_PAUSE_MS = 250;
const waiting = new Set();
let timer;

/** Fetches a part again; one that a person types or stands in waits until they leave it. */
async function refresh(part) {
  const place = document.getElementById(part);
  // Only while a conversation is open there is a place for its messages.
  if (!place) return;
  const active = document.activeElement;
  const focused = place.contains(active) && active.matches("input, textarea");
  if (focused) return;
  // Made before this question was asked: only of these does the answer tell whether they are still open.
  const cards = part === "pairing" ? [...made.children] : [];
  const response = await fetch(`/page/${part}${place.dataset.query ?? ""}`, {
    headers: { Accept: "text/html" },
  });
  if (!response.ok) return;
  const text = await response.text();
  if (place.dataset.shown === text) {
    settleInvites(place, cards);
    return;
  }
  place.dataset.shown = text;
  const key = place.contains(active) ? active.closest("form")?.dataset.url : undefined;
  const link = place.contains(active) && active.matches("a") ? active.href : undefined;
  place.innerHTML = text;
  settleInvites(place, cards);
  if (part === "messages") sayRead();
  // The keyboard stays where it was, as far as that place still exists.
  if (key) place.querySelector(`form[data-url="${CSS.escape(key)}"] button`)?.focus();
  if (link) [...place.querySelectorAll("a")].find(({ href }) => href === link)?.focus();
}

/** Takes away cards of invites that are no longer open, and list entries of those that a card shows. */
function settleInvites(place, cards) {
  const listed = (id) => place.querySelector(`[data-invite="${CSS.escape(id)}"]`);
  for (const card of cards) if (!listed(card.dataset.madeInvite)) card.remove();
  for (const card of made.children) {
    const entry = listed(card.dataset.madeInvite);
    if (entry) entry.hidden = true;
  }
}

/** Tells the node that a person has seen the open conversation; its authors then know. */
async function sayRead() {
  const list = document.querySelector("#messages [data-read-up-to]");
  if (!list || document.hidden) return;
  const { conversation, readUpTo } = list.dataset;
  await fetch(`/v1/conversations/${conversation}/read`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ upTo: readUpTo }),
  });
}

/** Shows an invite that was just made, and looks again when it must have expired. */
function showInvite(text) {
  made.insertAdjacentHTML("afterbegin", text);
  const card = made.firstElementChild;
  setTimeout(() => refreshSoon(["pairing"]), Number(card.dataset.expiresInMs) + 1_000);
  card.scrollIntoView({ block: "nearest" });
}

function refreshSoon(parts) {
  for (const part of parts) waiting.add(part);
  timer ??= setTimeout(async () => {
    timer = undefined;
    const now = [...waiting];
    waiting.clear();
    await Promise.allSettled(now.map(refresh));
  }, REFRESH_PAUSE_MS);
}

/** Says beside a form what became of it. */
function say(form, text, problem = false) {
  const message = form.querySelector(".said");
  message.textContent = text;
  message.classList.toggle("problem", problem);
}

async function submit(form) {
  const values = JSON.parse(form.dataset.values ?? "{}");
  for (const [name, value] of new FormData(form)) {
    // "to[]" is a list of one or more.
    if (name.endsWith("[]")) (values[name.slice(0, -2)] ??= []).push(value);
    else values[name] = value;
  }
  const method = form.dataset.method;
  const init = { method };
  if (method !== "DELETE") {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(values);
    // A double click, or a retry after a lost answer, must not store a note or send a message twice.
    if (["/v1/blocks", "/v1/messages"].includes(form.dataset.url)) {
      form.dataset.key ??= crypto.randomUUID();
      init.headers["Idempotency-Key"] = form.dataset.key;
    }
  }
  const response = await fetch(form.dataset.url, init);
  if (response.ok) {
    delete form.dataset.key;
    for (const field of form.querySelectorAll("textarea, input[name=linkOrCode]")) field.value = "";
    if (form.dataset.into === "made-invites") showInvite(await response.text());
    say(form, form.dataset.done ?? "");
    refreshSoon(["blocks", "devices", "pairing", "conversations", "messages"]);
  } else {
    // A refusal is final; the same words changed are another note.
    delete form.dataset.key;
    const problem = await response.json().catch(() => ({ detail: response.statusText }));
    say(form, `${main.dataset.failed} ${problem.detail}`, true);
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.id === "search") {
    event.preventDefault();
    const question = new FormData(form).get("q");
    const query = new URLSearchParams({ q: question });
    const response = await fetch(`/page/search?${query}`);
    if (response.ok) document.getElementById("results").innerHTML = await response.text();
    history.replaceState(null, "", question ? `/?${query}` : "/");
  } else if (form.dataset.url) {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await submit(form);
    } catch {
      say(form, live.dataset.offline, true);
    } finally {
      button.disabled = false;
    }
  }
});

document.addEventListener("focusin", (event) => {
  if (event.target.matches("input[readonly]")) event.target.select();
});

// Invites made or cancelled elsewhere make no event: who comes back to the page sees what is so now.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    refreshSoon(["pairing"]);
    sayRead();
  }
});

sayRead();

const events = new EventSource("/v1/events");
events.onopen = () => {
  live.textContent = live.dataset.live;
  live.classList.add("on");
};
events.onerror = () => {
  live.textContent = live.dataset.offline;
  live.classList.remove("on");
  // The browser gives up for good on an HTTP error (a restarted node, an expired login): then a reload tells what is so.
  if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5_000);
};
for (const [type, parts] of Object.entries(PARTS)) {
  events.addEventListener(type, () => refreshSoon(parts));
}
