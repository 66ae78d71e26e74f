/**
 * Two sockets on one interface: one in the multicast group at port 5353, one at a port of its own for questions whose answers
 * nobody else on this machine may take. `multicast-dns` encodes and decodes; it is given a gate instead of the socket, so that
 * nothing oversized reaches its decoder. No callback ever throws.
 */
import { createSocket, type Socket } from "node:dgram";
import { EventEmitter } from "node:events";
import multicastDns from "multicast-dns";
import type { DnsMessage } from "../protocols/discovery/dns.ts";
import { DATAGRAM_BYTES_MAX, parseMessage, toPacket } from "../protocols/discovery/message.ts";
import type { Source } from "../protocols/discovery/responder.ts";
import { errorText } from "./error_text.ts";
import type { WantedLink } from "./mdns_interfaces.ts";

const GROUP = { IPv4: "224.0.0.251", IPv6: "ff02::fb" } as const;
/** UDP port of multicast DNS. */
export const MDNS_PORT = 5353;
const HOPS = 255;
/** Messages of our own that wait for the kernel at most; more are dropped. */
const SENDING_MAX = 256;

export interface MulticastLinkOptions {
  readonly wanted: WantedLink;
  /** 5353 unless a test says otherwise. */
  readonly port: number;
  onUp(): void;
  onMessage(message: DnsMessage, source: Source, oneShot: boolean): void;
  /** The link cannot be used (any more). Called at most once. */
  onDown(reason: string): void;
  /** A message could not be sent or read; the link stays. */
  onTrouble(reason: string): void;
  onSent(): void;
}

export interface MulticastLink {
  send(message: DnsMessage, to: "group" | "oneShot" | Source): void;
  /** Waits until what was given to `send` has left, then closes both sockets. */
  close(): Promise<void>;
}

/** What we use of `npm:multicast-dns`, which has no types of its own. */
interface Codec extends EventEmitter {
  send(
    packet: object,
    to: { address: string; port: number },
    sent: (error?: unknown) => void,
  ): void;
}
type CodecFactory = (options: object) => Codec;

/** Opens the sockets of one link. Failures come through `onDown`, also those of the first moment. */
export function openMulticastLink(options: MulticastLinkOptions): MulticastLink {
  const { wanted, port } = options;
  let down = false;
  let closed = false;
  const fail = (action: string, error: unknown) => {
    if (down || closed) return;
    down = true;
    options.onDown(`${wanted.id}: cannot ${action}: ${errorText(error)}`);
  };
  // Above this file the group's port is always 5353.
  const outer = (source: Source): Source =>
    source.port === port ? { ...source, port: MDNS_PORT } : source;
  const guarded =
    <A extends readonly unknown[]>(action: string, run: (...args: A) => void) => (...args: A) => {
      try {
        run(...args);
      } catch (error) {
        fail(action, error);
      }
    };

  const type = wanted.family === "IPv4" ? "udp4" : "udp6";
  const group = createSocket({ type, reuseAddr: true });
  const oneShot = createSocket({ type });
  const codecs = {
    group: attachCodec(
      group,
      wanted,
      (message, source) =>
        guarded("handle a message", options.onMessage)(message, outer(source), false),
    ),
    oneShot: attachCodec(
      oneShot,
      wanted,
      (message, source) =>
        guarded("handle an answer", options.onMessage)(message, outer(source), true),
    ),
  };
  for (const socket of [group, oneShot]) {
    socket.on("error", guarded("report", (error: Error) => fail("use the network", error)));
  }

  const waiting = new Set<Promise<void>>();
  const sendBy = (codec: Codec, message: DnsMessage, to: { address: string; port: number }) => {
    if (waiting.size >= SENDING_MAX) return;
    const sent = new Promise<void>((resolve) => {
      try {
        codec.send(toPacket(message), to, (error) => {
          if (error) options.onTrouble(`${wanted.id}: cannot send: ${errorText(error)}`);
          else options.onSent();
          resolve();
        });
      } catch (error) {
        options.onTrouble(`${wanted.id}: cannot send: ${errorText(error)}`);
        resolve();
      }
    });
    waiting.add(sent);
    sent.finally(() => waiting.delete(sent));
  };

  const zoned = `${GROUP[wanted.family]}${wanted.family === "IPv6" ? `%${wanted.zone}` : ""}`;
  // On Linux a socket tied to the scoped group hears this interface only. IPv4 has no such tie: the source's subnet decides.
  const bindTo = wanted.family === "IPv4" ? "0.0.0.0" : Deno.build.os === "linux" ? zoned : "::";
  try {
    group.bind(
      port,
      bindTo,
      guarded("join the multicast group", () => {
        joinGroup(group, wanted);
        oneShot.bind(
          0,
          wanted.family === "IPv4" ? "0.0.0.0" : "::",
          guarded("open a socket", () => {
            setOutgoing(oneShot, wanted);
            if (!down && !closed) options.onUp();
          }),
        );
      }),
    );
  } catch (error) {
    queueMicrotask(() => fail("open a multicast socket", error));
  }

  return {
    send(message, to) {
      if (down || closed) return;
      if (to === "group") sendBy(codecs.group, message, { address: zoned, port });
      else if (to === "oneShot") sendBy(codecs.oneShot, message, { address: zoned, port });
      else {
        const toPort = to.port === MDNS_PORT ? port : to.port;
        sendBy(codecs.group, message, { address: scoped(to.address, wanted), port: toPort });
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      await Promise.all(waiting);
      for (const socket of [group, oneShot]) await closeSocket(socket);
    },
  };
}

function scoped(address: string, wanted: WantedLink): string {
  return /^fe[89ab]/i.test(address) && !address.includes("%")
    ? `${address}%${wanted.zone}`
    : address;
}

function joinGroup(socket: Socket, wanted: WantedLink): void {
  const own = wanted.family === "IPv4" ? wanted.address : `::%${wanted.zone}`;
  socket.addMembership(GROUP[wanted.family], own);
  setOutgoing(socket, wanted);
}

function setOutgoing(socket: Socket, wanted: WantedLink): void {
  socket.setMulticastInterface(wanted.family === "IPv4" ? wanted.address : `::%${wanted.zone}`);
  socket.setMulticastTTL(HOPS);
  socket.setMulticastLoopback(true);
}

/** The codec on a gate: what passes is small enough to decode; what was decoded is parsed before anybody sees it. */
function attachCodec(
  socket: Socket,
  wanted: WantedLink,
  onMessage: (message: DnsMessage, source: Source) => void,
): Codec {
  const gate = Object.assign(new EventEmitter(), {
    send: (
      bytes: Uint8Array,
      offset: number,
      length: number,
      port: number,
      address: string,
      sent: (error: unknown) => void,
    ) => socket.send(bytes, offset, length, port, address, sent),
  });
  const codec = (multicastDns as unknown as CodecFactory)({
    socket: gate,
    type: wanted.family === "IPv4" ? "udp4" : "udp6",
    ip: GROUP[wanted.family],
    interface: wanted.address,
    bind: false,
    multicast: false,
  });
  // Packets that cannot be decoded arrive as warnings: noise of the network, not ours to report.
  codec.on("warning", () => {});
  codec.on("error", () => {});
  codec.on("packet", (packet: unknown, from: { address: string; port: number }) => {
    const message = parseMessage(packet);
    if (message === undefined) return;
    onMessage(message, { address: from.address.replace(/%.*$/, ""), port: from.port });
  });
  socket.on("message", (bytes, from) => {
    if (bytes.length > DATAGRAM_BYTES_MAX) return;
    try {
      gate.emit("message", bytes, from);
    } catch {
      // A packet that upsets the codec is dropped; handlers guard themselves.
    }
  });
  return codec;
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(() => resolve());
    } catch {
      // It was never open.
      resolve();
    }
  });
}
