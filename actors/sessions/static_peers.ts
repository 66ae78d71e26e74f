/**
 * Addresses that a person gave, for where multicast does not reach. Who lives there is found out by dialling: the offer
 * is addressed to nobody in particular, and only a member of our mesh answers it.
 */
import type { Crypto, Signer } from "../../platform/ports.ts";
import type { DialOutcome, Transport } from "../../platform/transport.ts";
import type { Store } from "../../store/store.ts";
import { backoffMs } from "./backoff.ts";
import type { Of, SessionsContext, SessionsState } from "./sessions_state.ts";
import { greet } from "./strangers.ts";

/** Static addresses, at most. */
const STATIC_PEERS_MAX = 256;
/** How often an address is asked again while its device is not connected, ms. */
const AGAIN_MS = 30_000;
/** First failures are repeated as slowly as this many failures of a known peer. */
const FAILURES_OFFSET = 3;

interface Dialling {
  readonly transports: readonly Transport[];
  readonly crypto: Crypto;
  readonly signer: Signer;
}

/** "http://host:port", where the host may be a link-local address with its zone, and nothing more. */
const ADDRESS =
  /^http:\/\/(\[[0-9a-f:.]{2,45}(%25[A-Za-z0-9_.~-]{1,32})?\]|[A-Za-z0-9.-]{1,253}):(\d{1,5})$/i;
/** Settings keys of addresses that a person has added. */
export const STATIC_PEER_PREFIX = "staticPeer/";

interface Keeping {
  readonly store: Pick<Store, "settings">;
}

/** Begins to read the addresses of earlier days. */
export function loadStaticPeers(context: SessionsContext, deps: Keeping): void {
  context.perform(
    async () => {
      const entries = await deps.store.settings.entries(STATIC_PEER_PREFIX);
      return entries.map(([key]) => key.slice(STATIC_PEER_PREFIX.length));
    },
    (outcome) => ({ type: "staticsLoaded", outcome }),
  );
}

export function onStaticsLoaded(
  context: SessionsContext,
  state: SessionsState,
  command: Of<"staticsLoaded">,
): void {
  // Without its settings a node has greater worries than static peers, and the store's owner reports them.
  if (!command.outcome.ok) return;
  for (const address of command.outcome.value) addStaticPeer(context, state, address);
}

/** A person gives an address: it is checked, kept, tried, and then acknowledged. */
export function keepStaticPeer(
  context: SessionsContext,
  state: SessionsState,
  command: Of<"addStaticPeer">,
  deps: Keeping,
): void {
  const { address, replyTo } = command;
  const port = Number(ADDRESS.exec(address)?.[3] ?? 0);
  if (port < 1 || port > 65_535) {
    return context.send(replyTo, {
      type: "refused",
      reason: "invalid",
      message:
        `Cannot add static peer "${address}": expected an address like http://192.168.1.7:7464`,
    });
  }
  if (!state.statics.has(address) && state.statics.size >= STATIC_PEERS_MAX) {
    return context.send(replyTo, {
      type: "refused",
      reason: "busy",
      message:
        `Cannot add static peer "${address}": there are ${state.statics.size}, expected < ${STATIC_PEERS_MAX}`,
    });
  }
  context.perform(
    () => deps.store.settings.set({ [STATIC_PEER_PREFIX + address]: true }),
    (outcome) => ({ type: "staticSaved", address, outcome, replyTo }),
  );
}

export function onStaticSaved(
  context: SessionsContext,
  state: SessionsState,
  command: Of<"staticSaved">,
): void {
  const { address, outcome, replyTo } = command;
  if (outcome.ok) {
    addStaticPeer(context, state, address);
    return context.send(replyTo, { type: "done", value: null });
  }
  context.send(replyTo, {
    type: "refused",
    reason: "unavailable",
    message: `Cannot keep static peer "${address}": ${String(outcome.error)}`,
  });
}

/** Adds an address and tries it at once. */
export function addStaticPeer(
  context: SessionsContext,
  state: SessionsState,
  address: string,
): void {
  if (state.statics.has(address)) return;
  if (state.statics.size >= STATIC_PEERS_MAX) {
    context.log.write("warning", "static peer not added", { address, most: STATIC_PEERS_MAX });
    return;
  }
  state.statics.set(address, { deviceId: null, failures: 0, transport: 0, cancel: null });
  context.startTimer(`static/${address}`, 0, { type: "staticDue", address });
}

/** Time to see whether somebody is there. */
export function onStaticDue(
  context: SessionsContext,
  state: SessionsState,
  address: string,
  deps: Dialling,
): void {
  const entry = state.statics.get(address);
  const transport = entry === undefined ? undefined : deps.transports[entry.transport];
  if (entry === undefined || entry.cancel !== null || transport === undefined) return;
  // Without a mesh there is nobody to look for; joining one starts this again.
  if (state.registry === null) return;
  const session = entry.deviceId === null
    ? undefined
    : state.peers.get(entry.deviceId)?.report?.state;
  if (session === "up" || session === "handshaking" || session === "connecting") {
    return again(context, address, AGAIN_MS);
  }
  const onOutcome = context.inlet((outcome: DialOutcome) => ({
    type: "staticDialled",
    address,
    outcome,
  }));
  entry.cancel = transport.dial({ deviceId: "", addresses: [address] }, onOutcome);
}

/** Somebody is there, or nobody. */
export function onStaticDialled(
  context: SessionsContext,
  state: SessionsState,
  command: Of<"staticDialled">,
  deps: Dialling,
): void {
  const { address, outcome } = command;
  const entry = state.statics.get(address);
  if (entry !== undefined) entry.cancel = null;
  if (outcome.type === "opened") {
    greet(context, state, outcome.path, address, deps);
    if (entry !== undefined) Object.assign(entry, { failures: 0, transport: 0 });
    return again(context, address, AGAIN_MS);
  }
  if (entry === undefined) return;
  // Not every device speaks every kind: the next one at once, and only when none leads there a wait.
  entry.transport = (entry.transport + 1) % deps.transports.length;
  if (entry.transport !== 0) return again(context, address, 0);
  entry.failures += 1;
  context.log.write("debug", "static peer not reached", { address, reason: outcome.reason });
  again(context, address, backoffMs(entry.failures + FAILURES_OFFSET, context.random));
}

function again(context: SessionsContext, address: string, delayMs: number): void {
  context.startTimer(`static/${address}`, delayMs, { type: "staticDue", address });
}
