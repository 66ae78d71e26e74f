/** One connection to one NATS server: logs in, notices within two seconds when the server is gone, and never tries again by itself. */
import {
  type NatsConnection,
  NatsConnectionImpl,
  setTransportFactory,
} from "@nats-io/nats-core/internal";
import {
  type NatsSocket,
  NatsSocket as Socket,
  type OptionsWithSocket,
} from "./nats_broker_socket.ts";
import type { ServerAddress } from "./nats_broker_servers.ts";
import { userNkey } from "./nats_broker_nkey.ts";
import type { Clock } from "./ports.ts";

/** Longest wait for a login, ms. */
const LOGIN_MS_MAX = 2_000;
/** A ping goes out so often, ms. */
const PING_EVERY_MS = 500;
/** The server is gone when a ping is not answered for so long and nothing else came either, ms. */
const PING_ANSWER_MS_MAX = 1_200;
/** A timer that is this late shows that the process stood still, not the server. */
const STALL_MS = 300;
/** With more waiting to be sent than this, bytes that leave show that the connection lives. */
const BACKLOG_BYTES = 65_536;

/** Who logs in: an Ed25519 key of the device for brokers only. */
export interface LinkLogin {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 signature over the server's nonce, 64 bytes. */
  sign(nonce: Uint8Array): Uint8Array;
}

export interface LinkOptions {
  readonly clock: Clock;
  /** Shown by the server's monitoring. */
  readonly name: string;
  /** Null: a server without users. */
  readonly login: LinkLogin | null;
  /** PEM certificates of authorities to trust beside the system's. */
  readonly caCertificates: readonly string[];
}

/** A connection that is up. */
export interface Link {
  readonly connection: NatsConnection;
  readonly address: ServerAddress;
  readonly serverName: string;
  /** Largest message the server takes, bytes. */
  readonly bytesMax: number;
  /** Round trip measured last, ms. */
  roundTripMs(): number;
  /** Bytes that have not left yet. */
  bufferedBytes(): number;
  /** Resolves with the reason when the connection is gone, whoever ended it. */
  readonly ended: Promise<string>;
  /** Ends it; what was accepted still leaves when the server takes it. */
  close(): Promise<void>;
  /** Ends it at once. */
  drop(reason: string): void;
}

/** Connects and logs in. Rejects with what the server or the network said. */
export async function openLink(address: ServerAddress, options: LinkOptions): Promise<Link> {
  const { clock } = options;
  let socket: NatsSocket | undefined;
  setTransportFactory({ factory: () => new Socket() });
  const own: OptionsWithSocket = {
    servers: [
      `${
        address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname
      }:${address.port}`,
    ],
    name: options.name,
    reconnect: false,
    ignoreClusterUpdates: true,
    noAsyncTraces: true,
    timeout: LOGIN_MS_MAX,
    ...(address.tls ? { tls: {} } : {}),
    ...(options.login === null ? {} : loginOptions(options.login)),
    submind: { caCertificates: options.caCertificates, onSocket: (opened) => socket = opened },
  };
  const connection = await NatsConnectionImpl.connect(own) as NatsConnectionImpl;
  const opened = socket;
  if (opened === undefined) throw new Error("the client opened no connection");
  // Reads errors that the server sends, so that none waits unread; permission errors end nothing.
  let said = "";
  (async () => {
    for await (const status of connection.status()) {
      if (status.type === "error") said = status.error.message;
    }
  })();
  const ended = Promise.withResolvers<string>();
  let dropped = "";
  connection.closed().then((error) =>
    ended.resolve(
      dropped || (error instanceof Error ? error.message : said) ||
        "the server ended the connection",
    )
  );
  const drop = (reason: string) => {
    dropped ||= reason;
    opened.disconnect();
  };
  let roundTripMs = 0;
  const firstPingMs = clock.monotonicMs();
  await Promise.race([
    connection.flush(),
    ended.promise.then((reason) => Promise.reject(new Error(reason))),
  ]);
  roundTripMs = clock.monotonicMs() - firstPingMs;
  const stopPinging = keepPinging(connection, opened, clock, {
    onRoundTrip: (ms) => roundTripMs = ms,
    onSilence: () => drop("the server is silent"),
  });
  ended.promise.then(stopPinging);
  return {
    // Typed apart from its interface by one optional field.
    connection: connection as unknown as NatsConnection,
    address,
    serverName: connection.info?.server_name ?? "",
    bytesMax: connection.info?.max_payload ?? 0,
    roundTripMs: () => roundTripMs,
    bufferedBytes: () => connection.protocol.outbound.size() + opened.queuedBytes,
    ended: ended.promise,
    drop,
    async close() {
      dropped ||= "closed here";
      stopPinging();
      await connection.close();
      await ended.promise;
    },
  };
}

function loginOptions(login: LinkLogin): Partial<OptionsWithSocket> {
  const nkey = userNkey(login.publicKey);
  return {
    authenticator: (nonce?: string) => ({
      nkey,
      sig: login.sign(new TextEncoder().encode(nonce ?? ""))
        .toBase64({ alphabet: "base64url", omitPadding: true }),
    }),
    // Answers go to a subject of this user's own, so that the server can keep others from listening to it.
    inboxPrefix: inboxPrefixOf(nkey),
  };
}

/** Where answers to a user's questions go; the server's configuration allows exactly this to it. */
export function inboxPrefixOf(nkey: string): string {
  return `_INBOX.${nkey}`;
}

function keepPinging(
  connection: NatsConnectionImpl,
  socket: NatsSocket,
  clock: Clock,
  { onRoundTrip, onSilence }: {
    readonly onRoundTrip: (ms: number) => void;
    readonly onSilence: () => void;
  },
): () => void {
  let stopped = false;
  let cancel = () => {};
  const ping = (): void => {
    if (stopped) return;
    const sentMs = clock.monotonicMs();
    let answered = false;
    connection.flush().then(() => {
      answered = true;
      onRoundTrip(clock.monotonicMs() - sentMs);
    }, () => {});
    let read = socket.bytesRead;
    let written = socket.bytesWritten;
    const lookIn = (delayMs: number): void => {
      const dueMs = clock.monotonicMs() + delayMs;
      cancel = clock.schedule(delayMs, () => {
        if (stopped) return;
        const late = clock.monotonicMs() - dueMs > STALL_MS;
        const moved = socket.bytesRead > read ||
          (socket.queuedBytes > BACKLOG_BYTES && socket.bytesWritten > written);
        [read, written] = [socket.bytesRead, socket.bytesWritten];
        if (answered) return ping();
        if (moved || late) return lookIn(PING_ANSWER_MS_MAX);
        if (delayMs !== PING_EVERY_MS) return onSilence();
        lookIn(PING_ANSWER_MS_MAX - PING_EVERY_MS);
      });
    };
    lookIn(PING_EVERY_MS);
  };
  ping();
  return () => {
    stopped = true;
    cancel();
  };
}
