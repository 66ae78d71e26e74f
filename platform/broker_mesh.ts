/** One mesh on a broker, as this device takes part in it: subjects under its tag, the veil over what is said, and what was moved. */
import { type BrokerTag, brokerTagOf } from "../protocols/bridge/subjects.ts";
import { type Veil, veilOf } from "../protocols/bridge/veil.ts";
import type { DeviceId, MeshId } from "../protocols/ids.ts";
import type { Broker, BrokerMessage } from "./broker.ts";
import type { Crypto, Random } from "./ports.ts";

/** The mesh this device belongs to now. */
export interface MeshOnBroker {
  readonly mesh: MeshId;
  readonly tag: BrokerTag;
  readonly veil: Veil;
}

/** Messages and bytes of our own, without what the broker adds. */
export interface BrokerTraffic {
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export interface BrokerMesh {
  /** The broker, with everything that goes over it counted. */
  readonly broker: Broker;
  readonly self: DeviceId;
  /** Null while this device belongs to no mesh: then nothing is said and nothing heard. */
  current(): MeshOnBroker | null;
  /** This device has joined a mesh, or has left. */
  setMesh(mesh: MeshId | null): void;
  /** Listens to a subject of whichever mesh it is. Returns a function that ends it. */
  subscribe(
    subjectOf: (tag: BrokerTag) => string,
    onMessage: (message: BrokerMessage, mesh: MeshOnBroker) => void,
  ): () => void;
  /** Tells that the mesh is another one now. Returns a function that ends it. */
  watchMesh(listener: () => void): () => void;
  traffic(): BrokerTraffic;
}

interface Subscription {
  readonly start: () => () => void;
  stop: () => void;
}

/** Takes part in meshes over `broker`. */
export function brokerMesh(
  options: {
    readonly broker: Broker;
    readonly crypto: Pick<Crypto, "sha256" | "hkdf" | "seal" | "open">;
    readonly random: Random;
    readonly self: DeviceId;
  },
): BrokerMesh {
  const { crypto, random, self } = options;
  const counted = countedBroker(options.broker);
  const subscriptions = new Set<Subscription>();
  const watchers = new Set<() => void>();
  let current: MeshOnBroker | null = null;

  return {
    broker: counted.broker,
    traffic: counted.traffic,
    self,
    current: () => current,
    setMesh(mesh) {
      if (mesh === (current?.mesh ?? null)) return;
      for (const subscription of subscriptions) subscription.stop();
      current = mesh === null
        ? null
        : { mesh, tag: brokerTagOf(crypto, mesh), veil: veilOf(crypto, random, mesh) };
      for (const subscription of subscriptions) subscription.stop = subscription.start();
      for (const watcher of [...watchers]) watcher();
    },
    subscribe(subjectOf, onMessage) {
      const start = (): () => void => {
        const mesh = current;
        if (mesh === null) return () => {};
        return counted.broker.subscribe(
          subjectOf(mesh.tag),
          (message) => onMessage(message, mesh),
        );
      };
      const subscription: Subscription = { start, stop: start() };
      subscriptions.add(subscription);
      return () => {
        subscriptions.delete(subscription);
        subscription.stop();
      };
    },
    watchMesh(listener) {
      watchers.add(listener);
      return () => void watchers.delete(listener);
    },
  };
}

/** The same broker, and how much went over it. */
function countedBroker(
  broker: Broker,
): { readonly broker: Broker; readonly traffic: () => BrokerTraffic } {
  let messagesSent = 0;
  let messagesReceived = 0;
  let bytesSent = 0;
  let bytesReceived = 0;
  const sent = (bytes: Uint8Array): void => {
    messagesSent++;
    bytesSent += bytes.length;
  };
  const received = (bytes: Uint8Array): void => {
    messagesReceived++;
    bytesReceived += bytes.length;
  };
  return {
    traffic: () => ({ messagesSent, messagesReceived, bytesSent, bytesReceived }),
    broker: {
      state: () => broker.state(),
      watch: (listener) => broker.watch(listener),
      bufferedBytes: () => broker.bufferedBytes(),
      close: () => broker.close(),
      publish(subject, bytes, replyTo) {
        const taken = broker.publish(subject, bytes, replyTo);
        if (taken) sent(bytes);
        return taken;
      },
      subscribe: (subject, onMessage) =>
        broker.subscribe(subject, (message) => {
          received(message.bytes);
          onMessage(message);
        }),
      request(request, onReply) {
        sent(request.bytes);
        return broker.request(request, (reply) => {
          if (reply.type === "reply") received(reply.bytes);
          onReply(reply);
        });
      },
      keep: (mail, onOutcome) =>
        broker.keep(mail, (outcome) => {
          if (outcome.type === "kept") sent(mail.bytes);
          onOutcome(outcome);
        }),
      collect: (options, onMessage) =>
        broker.collect(options, (message) => {
          received(message.bytes);
          onMessage(message);
        }),
    },
  };
}
