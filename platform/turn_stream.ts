/**
 * TURN over TCP and TLS for a WebRTC library that speaks TURN over UDP only: for a home that lets no UDP out. Per server a UDP port on
 * loopback, to which the library talks as to any TURN server; what comes there goes on over one TCP connection per sender, in TURN's own
 * framing (RFC 8656 section 3.1 and 12.5; RFC 8489 section 6.2.2), and back. Nothing is read but lengths: credentials stay between the
 * library and the server.
 *
 * Bounded: senders at once, bytes that wait, and how long a silent sender is kept. What does not fit is dropped, as UDP would.
 */
import { createSocket, type Socket } from "node:dgram";
import { errorText } from "./error_text.ts";
import type { Clock, Log } from "./ports.ts";
import type { IceServer } from "./webrtc_library.ts";

/** Senders of one front at once: connections that are open or being tried. */
const SENDERS_MAX = 256;
/** Bytes that may wait for the TCP connection of a sender. */
const WAITING_BYTES_MAX = 1024 * 1024;
/** A sender that says nothing for so long is forgotten, ms: allocations in use are refreshed sooner. */
const IDLE_MS = 15 * 60_000;
/** STUN's header, and the header of channel data; lengths behind it come on top, bytes. */
const STUN_HEADER_BYTES = 20;
const CHANNEL_HEADER_BYTES = 4;
const READ_BYTES = 65_536;
/** First bytes of channel data: 0x4000 to 0x4FFF, wider as RFC 5766 had it. */
const CHANNEL = { least: 0x40, most: 0x7f } as const;
/** STUN messages begin with two zero bits. */
const STUN_MOST = 0x3f;

/** A TURN server that is reached over a stream. */
export interface StreamServer {
  readonly hostname: string;
  readonly port: number;
  readonly tls: boolean;
}

/** Reads "turn:host:3478?transport=tcp" and "turns:host:5349"; undefined for every other server. */
export function streamServerOf(url: string): StreamServer | undefined {
  const match = /^(turns?):([0-9a-z.-]{1,253})(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i.exec(
    url,
  );
  if (match === null) return undefined;
  const [, scheme = "", hostname = "", portText, transport] = match;
  const tls = scheme.toLowerCase() === "turns";
  // TLS over UDP would be DTLS, which nobody here speaks; "turns:" without a word means TCP (RFC 7065).
  if (transport?.toLowerCase() === "udp" || (!tls && transport === undefined)) return undefined;
  const port = Number(portText ?? (tls ? 5_349 : 3_478));
  return port >= 1 && port <= 65_535 ? { hostname, port, tls } : undefined;
}

/**
 * Bytes of the first message in `bytes`, and how far the next one is; null while its end has not come.
 *
 * @throws when that is neither STUN nor channel data: then nobody knows where the next one begins
 */
export function firstMessage(
  bytes: Uint8Array,
): { readonly messageBytes: number; readonly wireBytes: number } | null {
  const [first, , high, low] = bytes;
  if (first === undefined) return null;
  const isChannel = first >= CHANNEL.least && first <= CHANNEL.most;
  if (!isChannel && first > STUN_MOST) {
    throw new Error(`the TURN server sends ${first} where a message begins, expected 0-127`);
  }
  if (high === undefined || low === undefined) return null;
  const header = isChannel ? CHANNEL_HEADER_BYTES : STUN_HEADER_BYTES;
  const messageBytes = header + high * 256 + low;
  // Over a stream channel data is filled up to a multiple of four; STUN messages are one already.
  const wireBytes = isChannel ? Math.ceil(messageBytes / 4) * 4 : messageBytes;
  return bytes.length < wireBytes ? null : { messageBytes, wireBytes };
}

/** Fronts of the TURN servers that need one. */
export interface TurnStreams {
  /** The same servers; those over TCP or TLS as the library can use them. */
  translate(servers: readonly IceServer[]): readonly IceServer[];
  close(): void;
}

export interface TurnStreamsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** PEM certificates of authorities to trust beside the system's, for "turns:". */
  readonly caCertificates?: readonly string[];
}

/** Opens a front for each of `urls` that is reached over a stream. */
export async function openTurnStreams(
  urls: readonly string[],
  options: TurnStreamsOptions,
): Promise<TurnStreams> {
  const fronts = new Map<string, Front>();
  for (const url of new Set(urls)) {
    const server = streamServerOf(url);
    if (server !== undefined) fronts.set(url, await Front.open(server, options));
  }
  return {
    translate: (servers) =>
      servers.map((server) => {
        const front = fronts.get(server.urls);
        return front === undefined ? server : { ...server, urls: `turn:127.0.0.1:${front.port}` };
      }),
    close() {
      for (const front of fronts.values()) front.close();
    },
  };
}

/** One UDP port on loopback that stands for one TURN server. */
class Front {
  readonly #senders = new Map<string, Upstream>();

  private constructor(
    readonly socket: Socket,
    readonly server: StreamServer,
    readonly options: TurnStreamsOptions,
  ) {
    socket.on("message", (bytes, { address, port }) => {
      this.#senderAt(address, port)?.send(bytes);
    });
    // Errors of single packets (a library's socket that is gone) end nothing.
    socket.on("error", () => {});
  }

  static open(server: StreamServer, options: TurnStreamsOptions): Promise<Front> {
    const socket = createSocket("udp4");
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, "127.0.0.1", () => {
        socket.off("error", reject);
        resolve(new Front(socket, server, options));
      });
    });
  }

  get port(): number {
    return this.socket.address().port;
  }

  close(): void {
    for (const sender of [...this.#senders.values()]) sender.close("closed");
    this.socket.close();
  }

  #senderAt(address: string, port: number): Upstream | undefined {
    const key = `${address} ${port}`;
    const known = this.#senders.get(key);
    if (known !== undefined) return known;
    if (this.#senders.size >= SENDERS_MAX) return undefined;
    const { server, options } = this;
    const upstream = new Upstream({
      ...options,
      server,
      onMessage: (bytes) => this.socket.send(bytes, port, address),
      onEnd: (reason) => {
        this.#senders.delete(key);
        const to = `${server.hostname}:${server.port}`;
        options.log.write("debug", "connection to a TURN server ended", { to, reason });
      },
    });
    this.#senders.set(key, upstream);
    return upstream;
  }
}

/** The TCP connection of one sender. */
class Upstream {
  #connection: Deno.Conn | undefined;
  #queue: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing = false;
  #ended = false;
  #usedMs: number;
  #cancelIdle = () => {};

  constructor(
    readonly options: TurnStreamsOptions & {
      readonly server: StreamServer;
      readonly onMessage: (bytes: Uint8Array) => void;
      readonly onEnd: (reason: string) => void;
    },
  ) {
    this.#usedMs = options.clock.monotonicMs();
    this.#watchIdle();
    this.#run().then(
      () => this.close("the server ended it"),
      (error: unknown) => this.close(errorText(error)),
    );
  }

  send(bytes: Uint8Array): void {
    const first = bytes[0];
    if (this.#ended || first === undefined || first > CHANNEL.most) return;
    this.#usedMs = this.options.clock.monotonicMs();
    const fillBytes = first >= CHANNEL.least ? (4 - bytes.length % 4) % 4 : 0;
    const framed = new Uint8Array(bytes.length + fillBytes);
    if (this.#waitingBytes + framed.length > WAITING_BYTES_MAX) return;
    framed.set(bytes);
    this.#queue.push(framed);
    this.#waitingBytes += framed.length;
    this.#flush().catch((error: unknown) => this.close(String(error)));
  }

  close(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelIdle();
    try {
      this.#connection?.close();
    } catch {
      // The server was first.
    }
    this.options.onEnd(reason);
  }

  async #run(): Promise<void> {
    const { hostname, port, tls } = this.options.server;
    const connection = tls
      ? await Deno.connectTls({ hostname, port, caCerts: [...this.options.caCertificates ?? []] })
      : await Deno.connect({ hostname, port });
    if (this.#ended) return connection.close();
    this.#connection = connection;
    if ("setNoDelay" in connection) connection.setNoDelay(true);
    await this.#flush();
    const buffer = new Uint8Array(READ_BYTES);
    let rest = new Uint8Array(0);
    while (true) {
      const count = await connection.read(buffer);
      if (count === null) return;
      const bytes = new Uint8Array(rest.length + count);
      bytes.set(rest);
      bytes.set(buffer.subarray(0, count), rest.length);
      let at = 0;
      for (let found; (found = firstMessage(bytes.subarray(at))) !== null;) {
        this.options.onMessage(bytes.slice(at, at + found.messageBytes));
        at += found.wireBytes;
      }
      rest = bytes.slice(at);
    }
  }

  async #flush(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined || this.#writing) return;
    this.#writing = true;
    try {
      for (let frame; (frame = this.#queue[0]) !== undefined;) {
        for (let at = 0; at < frame.length;) at += await connection.write(frame.subarray(at));
        this.#queue.shift();
        this.#waitingBytes -= frame.length;
      }
    } finally {
      this.#writing = false;
    }
  }

  #watchIdle(): void {
    const { clock } = this.options;
    this.#cancelIdle = clock.schedule(IDLE_MS, () => {
      if (clock.monotonicMs() - this.#usedMs >= IDLE_MS) return this.close("nothing is said on it");
      this.#watchIdle();
    });
  }
}
