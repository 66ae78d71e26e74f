/**
 * Paths over a message broker: the last resort, which works wherever both devices reach some broker. The broker is trusted with nothing:
 * a path offers no binding and no confidentiality, so the session encrypts and authenticates end to end (Noise); what the broker can do
 * is to lose, delay and count. Format: `docs/protocols/bridge.md`.
 *
 * Who may open a path to us is looked at before anything is kept for it: the request must lie under the mesh's veil and name an admitted
 * device. That name is a claim until the handshake; what a false claim can cost is bounded per device and in all.
 */
import {
  decodeOpenReply,
  decodeOpenRequest,
  decodePathFrame,
  encodeOpenReply,
  encodeOpenRequest,
  encodePathFrame,
  PATH_ID_BYTES,
} from "../protocols/bridge/path_frames.ts";
import { isPlainSubject, nodeSubject } from "../protocols/bridge/subjects.ts";
import { type DeviceId, parseDeviceId, shortId } from "../protocols/ids.ts";
import type { BrokerMessage, BrokerReply } from "./broker.ts";
import type { BrokerMesh, MeshOnBroker } from "./broker_mesh.ts";
import { BrokerPath } from "./broker_path.ts";
import type { Clock, Random } from "./ports.ts";
import type { DialOutcome, DialTarget, Path, Transport } from "./transport.ts";

/** What stands in front of a device id in an address. */
export const BROKER_ADDRESS_PREFIX = "nats:";
/** Paths at once, at most: one to each of those with whom a device learns, and another that takes its place. */
const PATHS_MAX = 2_048;
/** Paths that were opened in the name of one device, at most; the oldest makes room. */
const PATHS_PER_DEVICE_MAX = 4;
/** One opening request waits this long, ms; it is sent twice. */
const OPEN_MS = 3_000;
const OPEN_ATTEMPTS = 2;

export interface BrokerTransportOptions {
  readonly mesh: BrokerMesh;
  readonly clock: Clock;
  readonly random: Random;
  readonly isAdmitted: (device: DeviceId) => boolean;
}

/** What came that was no use. */
export interface BrokerTransportCounters {
  /** Messages of strangers, garbage, frames for paths that are gone. */
  readonly ignored: number;
  readonly refused: number;
  readonly paths: number;
}

export interface BrokerTransport extends Transport {
  counters(): BrokerTransportCounters;
}

interface OpenPath {
  readonly path: BrokerPath;
  /** For a path that the other end has opened: in whose name, and by which attempt. */
  readonly opener: { readonly device: DeviceId; readonly attempt: string } | null;
}

/** The device an address of this transport names; undefined when it is none. */
export function brokerAddressee(address: string): DeviceId | undefined {
  if (!address.startsWith(BROKER_ADDRESS_PREFIX)) return undefined;
  return parseDeviceId(address.slice(BROKER_ADDRESS_PREFIX.length));
}

/** Makes the transport; it listens until it is closed. */
export function brokerTransport(options: BrokerTransportOptions): BrokerTransport {
  const { mesh, clock, random } = options;
  const { broker, self } = mesh;
  /** By our id. */
  const paths = new Map<string, OpenPath>();
  const attempts = new Map<string, { cancel(): void }>();
  let onAccept: ((path: Path) => void) | undefined;
  let isOpen = true;
  let ignored = 0;
  let refused = 0;

  const stopListening = mesh.subscribe((tag) => nodeSubject(tag, self), onMessage);
  const stopWatchingMesh = mesh.watchMesh(() => failAll("this device has changed its mesh"));
  const stopWatching = broker.watch((state) => {
    if (state.type === "disconnected") failAll(`broker: ${state.reason}`);
  });

  function failAll(reason: string): void {
    for (const { path } of [...paths.values()]) path.fail(reason);
  }

  function makePath(
    id: string,
    device: DeviceId,
    current: MeshOnBroker,
    opener: OpenPath["opener"],
    onEnd: (reason: string) => void = () => {},
  ): BrokerPath {
    const subject = nodeSubject(current.tag, device);
    const state = broker.state();
    const via = state.type === "connected" ? state.server : "broker";
    const path = new BrokerPath({
      clock,
      description: `nats ${shortId(device)} via ${via}`,
      publish: (frame) => broker.publish(subject, frame),
      onEnd: (reason) => {
        paths.delete(id);
        onEnd(reason);
      },
    });
    paths.set(id, { path, opener });
    return path;
  }

  function onMessage(message: BrokerMessage, current: MeshOnBroker): void {
    if (message.replyTo !== null) return onOpen(message.bytes, message.replyTo, current);
    const frame = decodePathFrame(message.bytes);
    const known = frame === undefined ? undefined : paths.get(frame.id);
    if (frame === undefined || known === undefined) ignored++;
    else known.path.receive(frame);
  }

  function onOpen(bytes: Uint8Array, replyTo: string, current: MeshOnBroker): void {
    const plain = current.veil.lift("open", self, bytes);
    const request = plain === undefined ? undefined : decodeOpenRequest(plain);
    if (
      request === undefined || request.from === self || !isPlainSubject(replyTo) ||
      !options.isAdmitted(request.from)
    ) {
      ignored++;
      return;
    }
    const answer = (reply: Parameters<typeof encodeOpenReply>[0]): void => {
      const covered = current.veil.cover("opened", request.id, encodeOpenReply(reply));
      broker.publish(replyTo, covered);
    };
    const ofDevice = [...paths].filter(([, { opener }]) => opener?.device === request.from);
    const same = ofDevice.find(([, { opener }]) => opener?.attempt === request.id);
    if (same !== undefined) return answer({ type: "opened", id: same[0] });
    if (onAccept === undefined || paths.size >= PATHS_MAX) {
      refused++;
      const reason = onAccept === undefined ? "not accepting" : "too many paths";
      return answer({ type: "refused", reason });
    }
    if (ofDevice.length >= PATHS_PER_DEVICE_MAX) ofDevice[0]![1].path.close("surplus");
    const id = random.bytes(PATH_ID_BYTES).toHex();
    const opener = { device: request.from, attempt: request.id };
    const path = makePath(id, request.from, current, opener);
    answer({ type: "opened", id });
    path.opened(request.id);
    onAccept(path);
  }

  function dial(target: DialTarget, onOutcome: (outcome: DialOutcome) => void): () => void {
    const device = deviceOf(target);
    const id = random.bytes(PATH_ID_BYTES).toHex();
    let over = false;
    let path: BrokerPath | undefined;
    let cancelRequest = () => {};
    const finish = (outcome: DialOutcome): void => {
      if (over) return;
      over = true;
      attempts.delete(id);
      if (outcome.type === "failed") path?.fail(outcome.reason);
      onOutcome(outcome);
    };
    const fail = (reason: string): void => finish({ type: "failed", reason });
    attempts.set(id, { cancel: () => fail("transport closed") });
    const current = mesh.current();
    const problem = problemOf(device, current);
    if (problem !== null) {
      cancelRequest = clock.schedule(0, () => fail(problem));
    } else {
      const subject = nodeSubject(current!.tag, device!);
      const request = encodeOpenRequest({ from: self, id });
      // A lost connection to the broker ends it while it is being opened.
      path = makePath(id, device!, current!, null, fail);
      const ask = (attempt: number): void => {
        // A request that the broker repeats must not open a second path: the id stays the same.
        const bytes = current!.veil.cover("open", device!, request);
        cancelRequest = broker.request({ subject, bytes, timeoutMs: OPEN_MS }, (reply) => {
          if (reply.type === "failed" && attempt < OPEN_ATTEMPTS && !over) return ask(attempt + 1);
          onReply(reply);
        });
      };
      const onReply = (reply: BrokerReply): void => {
        const theirs = openedId(reply, id, current!);
        if (over) {
          // Too late: nobody shall keep the other end waiting.
          if ("id" in theirs) sayClosed(subject, theirs.id);
          return;
        }
        if (!("id" in theirs)) return fail(theirs.problem);
        path!.opened(theirs.id);
        finish({ type: "opened", path: path! });
      };
      ask(1);
    }
    return () => {
      if (over) return;
      over = true;
      attempts.delete(id);
      // A request under way is answered all the same, and then closed.
      if (problem !== null) cancelRequest();
      path?.fail("cancelled");
    };
  }

  function problemOf(device: DeviceId | undefined, current: MeshOnBroker | null): string | null {
    if (!isOpen) return "transport closed";
    if (device === undefined) return "the device was not heard over the broker";
    if (device === self) return "the address is our own";
    if (current === null) return "this device belongs to no mesh";
    const state = broker.state();
    if (state.type === "disconnected") return `no connection to a broker: ${state.reason}`;
    return paths.size >= PATHS_MAX ? `there are ${paths.size} paths already` : null;
  }

  function sayClosed(subject: string, id: string): void {
    const reason = "cancelled";
    broker.publish(subject, encodePathFrame({ type: "close", id, sequence: 0, reason }));
  }

  return {
    kind: "nats",
    dial,
    accept(onPath) {
      onAccept = onPath;
      return () => {
        if (onAccept === onPath) onAccept = undefined;
      };
    },
    counters: () => ({ ignored, refused, paths: paths.size }),
    // deno-lint-ignore require-await -- the port is asynchronous
    async close() {
      if (!isOpen) return;
      isOpen = false;
      onAccept = undefined;
      for (const { cancel } of [...attempts.values()]) cancel();
      for (const { path } of [...paths.values()]) path.close("transport closed");
      failAll("transport closed");
      stopListening();
      stopWatching();
      stopWatchingMesh();
    },
  };
}

/** Whom to ask: the device that is meant, when the broker has heard it; else whoever an address names. */
function deviceOf(target: DialTarget): DeviceId | undefined {
  const named = target.addresses.map(brokerAddressee).filter((device) => device !== undefined);
  return target.deviceId === "" ? named[0] : named.find((device) => device === target.deviceId);
}

/** What the other end has answered: its id for the path, or why there is none. */
function openedId(
  reply: BrokerReply,
  attempt: string,
  current: MeshOnBroker,
): { readonly id: string } | { readonly problem: string } {
  if (reply.type === "nobody") return { problem: "the device is not connected to the broker" };
  if (reply.type === "failed") return { problem: reply.reason };
  const plain = current.veil.lift("opened", attempt, reply.bytes);
  const opened = plain === undefined ? undefined : decodeOpenReply(plain);
  if (opened === undefined) return { problem: "the answer is not of our mesh" };
  return opened.type === "opened" ? { id: opened.id } : { problem: `refused: ${opened.reason}` };
}
