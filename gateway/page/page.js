// Makes the first page live: forms send JSON, events of the node fetch the parts they concern again.

const main = document.querySelector("main");
const message = document.querySelector("#message");
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
  memberChanged: ["devices"],
  pairingChanged: ["pairing", "devices"],
  resync: ["blocks", "devices", "pairing"],
};
const REFRESH_PAUSE_MS = 250;
const waiting = new Set();
let timer;

/** Fetches a part again; one that a person types or stands in waits until they leave it. */
async function refresh(part) {
  const place = document.getElementById(part);
  const active = document.activeElement;
  const focused = place.contains(active) && active.matches("input, textarea");
  if (focused) return;
  const response = await fetch(`/page/${part}`, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const text = await response.text();
  if (place.dataset.shown === text) return;
  place.dataset.shown = text;
  const key = place.contains(active) ? active.closest("form")?.dataset.url : undefined;
  place.innerHTML = text;
  // The keyboard stays where it was, as far as that place still exists.
  if (key) place.querySelector(`form[data-url="${CSS.escape(key)}"] button`)?.focus();
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

function say(text, problem = false) {
  message.textContent = text;
  message.classList.toggle("problem", problem);
}

async function submit(form) {
  const values = JSON.parse(form.dataset.values ?? "{}");
  for (const [name, value] of new FormData(form)) values[name] = value;
  const method = form.dataset.method;
  const init = { method };
  if (method !== "DELETE") {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(values);
    // A double click, or a retry after a lost answer, must not store a note twice.
    if (form.dataset.url === "/v1/blocks") {
      form.dataset.key ??= crypto.randomUUID();
      init.headers["Idempotency-Key"] = form.dataset.key;
    }
  }
  const response = await fetch(form.dataset.url, init);
  if (response.ok) {
    delete form.dataset.key;
    for (const field of form.querySelectorAll("textarea, input[name=linkOrCode]")) field.value = "";
    say(form.dataset.done);
    refreshSoon(["blocks", "devices", "pairing"]);
  } else {
    // A refusal is final; the same words changed are another note.
    delete form.dataset.key;
    const problem = await response.json().catch(() => ({ detail: response.statusText }));
    say(`${main.dataset.failed} ${problem.detail}`, true);
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
      say(live.dataset.offline, true);
    } finally {
      button.disabled = false;
    }
  }
});

document.addEventListener("focusin", (event) => {
  if (event.target.matches("input[readonly]")) event.target.select();
});

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
