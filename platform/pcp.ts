/**
 * Asks the router for ports by PCP (RFC 6887) and, where it speaks only that, by NAT-PMP (RFC 6886). Says which port the router has
 * really given. Believes only answers that come from the router's port and belong to the request; everything else is as if it had not come.
 */
import { equalBytes } from "../protocols/codec.ts";
import {
  decodeRouterAnswer,
  encodePcpMap,
  encodePmpAddress,
  encodePmpMap,
  type MapRequest,
  PCP_NONCE_BYTES,
  RESULT_UNSUPPORTED_VERSION,
  ROUTER_PORT,
  type RouterAnswer,
} from "./pcp_wire.ts";
import type { Gateway, Mapped, PortToMap } from "./port_mapping.ts";
import type { Clock, Random } from "./ports.ts";

/** Times after which a request of PCP is sent again, ms: doubled each time and varied by a tenth (RFC 6887, section 8.1.1). */
const PCP_WAIT_MS = 3_000;
/** The same of NAT-PMP (RFC 6886, section 3.1). */
const PMP_WAIT_MS = 250;
/** The standards ask for ever, or nine times; a router that is silent so often is given up until the next round. */
const SENDS_PCP = 2;
const SENDS_PMP = 4;
/** Where nobody has answered, the next questions are not asked for this long, ms: UPnP shall not wait for each port. */
const SILENT_MS = 60_000;
/** Longest lifetime that is believed, s (RFC 6887, section 15, says a day). */
const LIFETIME_S_MAX = 86_400;

/** A socket towards the router. */
export interface RouterSocket {
  readonly router: string;
  /** Own address, which packets to the router leave from. */
  readonly clientAddress: string;
  /** Never throws: what cannot be sent is lost. */
  send(bytes: Uint8Array): void;
  /** Calls back for every packet until it is closed. */
  listen(onPacket: (bytes: Uint8Array, from: { host: string; port: number }) => void): void;
  close(): void;
}

export interface PcpOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Opens a socket towards the router of now; null without one. Each question has its own. */
  readonly open: () => RouterSocket | null;
}

type Asked =
  | { readonly type: "mapped"; readonly mapped: Mapped }
  | { readonly type: "silent" | "refused" | "otherVersion" };

/** What PCP and NAT-PMP can do here; `map` is null where the router speaks neither, or refuses. */
export function pcpGateway(options: PcpOptions): Gateway {
  // The same mapping keeps its nonce, or the router takes a renewal for somebody else's wish (section 11.2).
  const nonces = new Map<string, Uint8Array>();
  let spoken: "PCP" | "NAT-PMP" | null = null;
  let silent = { router: "", untilMs: 0 };
  const running = new Set<() => void>();
  let closed = false;
  const context: Context = { ...options, running };

  async function asked(request: MapRequest): Promise<Mapped | null> {
    const socket = options.open();
    if (socket === null) return null;
    try {
      const nowMs = options.clock.monotonicMs();
      if (socket.router === silent.router && nowMs < silent.untilMs) return null;
      const key =
        `${socket.router} ${socket.clientAddress} ${request.protocol} ${request.internalPort}`;
      const nonce = nonces.get(key) ?? options.random.bytes(PCP_NONCE_BYTES);
      nonces.set(key, nonce);
      const order = spoken === "NAT-PMP" ? [askPmp, askPcp] : [askPcp, askPmp];
      for (const ask of order) {
        if (closed) return null;
        const outcome = await ask(context, socket, request, nonce);
        if (outcome.type === "mapped") {
          spoken = outcome.mapped.by === "PCP" ? "PCP" : "NAT-PMP";
          return outcome.mapped;
        }
        // A router that has said no will not say yes to the older protocol.
        if (outcome.type === "refused") return null;
      }
      spoken = null;
      silent = { router: socket.router, untilMs: options.clock.monotonicMs() + SILENT_MS };
      return null;
    } finally {
      socket.close();
    }
  }

  return {
    map: ({ protocol, port }, lifetimeS) =>
      asked({ protocol, internalPort: port, externalPort: port, lifetimeS }),
    async unmap({ protocol, port }: PortToMap) {
      await asked({ protocol, internalPort: port, externalPort: 0, lifetimeS: 0 });
      for (const key of nonces.keys()) {
        if (key.endsWith(` ${protocol} ${port}`)) nonces.delete(key);
      }
    },
    close() {
      closed = true;
      for (const end of running) end();
      return Promise.resolve();
    },
  };
}

interface Context extends PcpOptions {
  /** Ends each exchange that is under way, as if nobody had answered. */
  readonly running: Set<() => void>;
}

async function askPcp(
  context: Context,
  socket: RouterSocket,
  request: MapRequest,
  nonce: Uint8Array,
): Promise<Asked> {
  const { clientAddress } = socket;
  const answer = await exchange(context, socket, {
    bytes: encodePcpMap({ ...request, clientAddress, nonce }),
    waitMs: PCP_WAIT_MS,
    sends: SENDS_PCP,
    belongs: (got) =>
      got.type === "mapped"
        ? got.nonce !== null && equalBytes(got.nonce, nonce) && isFor(got, request)
        : got.type === "refused" &&
          // An old router has no nonce in its answer; what it says costs no more than another question (section 9).
          (got.result === RESULT_UNSUPPORTED_VERSION ||
            (got.nonce !== null && equalBytes(got.nonce, nonce))),
  });
  if (answer?.type === "mapped") {
    const { externalAddress: host, externalPort: port } = answer;
    return mapped({ host, port, lifetimeS: answer.lifetimeS, by: "PCP" });
  }
  if (answer?.type !== "refused") return { type: "silent" };
  return { type: answer.result === RESULT_UNSUPPORTED_VERSION ? "otherVersion" : "refused" };
}

async function askPmp(
  context: Context,
  socket: RouterSocket,
  request: MapRequest,
): Promise<Asked> {
  const times = { waitMs: PMP_WAIT_MS, sends: SENDS_PMP };
  const isVersionZero = (got: RouterAnswer) => got.type === "refused" && got.version === 0;
  const answer = await exchange(context, socket, {
    ...times,
    bytes: encodePmpMap(request),
    belongs: (got) =>
      got.type === "mapped" ? got.nonce === null && isFor(got, request) : isVersionZero(got),
  });
  if (answer === null) return { type: "silent" };
  if (answer.type !== "mapped") return { type: "refused" };
  if (request.lifetimeS === 0) {
    return mapped({ host: "", port: answer.externalPort, lifetimeS: 0, by: "NAT-PMP" });
  }
  const outside = await exchange(context, socket, {
    ...times,
    bytes: encodePmpAddress(),
    belongs: (got) => got.type === "address" || isVersionZero(got),
  });
  const host = outside?.type === "address" ? outside.externalAddress : "";
  const { externalPort: port, lifetimeS } = answer;
  return mapped({ host, port, lifetimeS, by: "NAT-PMP" });
}

function isFor(got: RouterAnswer & { type: "mapped" }, request: MapRequest): boolean {
  // A port or lifetime of 0 for what is wanted is no mapping.
  const real = request.lifetimeS === 0 || (got.externalPort > 0 && got.lifetimeS > 0);
  return real && got.protocol === request.protocol && got.internalPort === request.internalPort;
}

function mapped(mapping: Mapped): Asked {
  const lifetimeS = Math.min(mapping.lifetimeS, LIFETIME_S_MAX);
  return { type: "mapped", mapped: { ...mapping, lifetimeS } };
}

interface Exchange {
  readonly bytes: Uint8Array;
  readonly waitMs: number;
  readonly sends: number;
  readonly belongs: (answer: RouterAnswer) => boolean;
}

/** Sends until an answer comes that belongs to it; null when none does. */
function exchange(
  { clock, random, running }: Context,
  socket: RouterSocket,
  { bytes, waitMs, sends, belongs }: Exchange,
): Promise<RouterAnswer | null> {
  return new Promise((resolve) => {
    let cancel: () => void = () => {};
    let left = sends;
    let delayMs = waitMs;
    const settle = (answer: RouterAnswer | null): void => {
      cancel();
      running.delete(giveUp);
      socket.listen(() => {});
      resolve(answer);
    };
    const giveUp = (): void => {
      left = 0;
      settle(null);
    };
    running.add(giveUp);
    socket.listen((packet, from) => {
      if (from.host !== socket.router || from.port !== ROUTER_PORT) return;
      const answer = decodeRouterAnswer(packet);
      if (belongs(answer)) settle(answer);
    });
    const send = (): void => {
      if (left === 0) return settle(null);
      left -= 1;
      socket.send(bytes);
      cancel = clock.schedule(delayMs * (0.9 + 0.2 * random.float()), send);
      delayMs *= 2;
    };
    send();
  });
}
