/**
 * One attempt of two devices to meet over QUIC. Both dial each other's addresses at once, so that both their routers open; of the
 * connections that come about the one who made the offer chooses the first.
 *
 * Invariants:
 * - Whoever is dialled is known by its certificate, whoever dials by the secret it has committed to.
 * - At most one connection of an attempt becomes a path; every other one is closed.
 */
import { errorText } from "./error_text.ts";
import type { Clock } from "./ports.ts";
import type { DialAddress } from "./quic_addresses.ts";
import type { QuicSocket } from "./quic_library.ts";
import { quicPath } from "./quic_path.ts";
import { QuicReader } from "./quic_reader.ts";
import type { Path } from "./transport.ts";

/** Id and secret: what the one who dials says first. */
export const HELLO_BYTES = 16 + 32;
/** Said by the one who made the offer on the connection it chooses. */
const SELECT = 1;
/** The answer: from now on there are frames. */
const READY = 2;

export interface MeetingOptions {
  readonly role: "offerer" | "answerer";
  readonly clock: Clock;
  readonly socket: QuicSocket;
  readonly id: Uint8Array;
  /** Ours for this attempt. */
  readonly secret: Uint8Array;
  readonly peer: { readonly certificateHash: Uint8Array; readonly commitment: Uint8Array };
  readonly binding: Uint8Array;
  readonly addresses: readonly DialAddress[];
  /** Holds the path while it is open. */
  readonly paths: Set<Path>;
  /** The attempt is over without a path by then, ms. */
  readonly withinMs: number;
  /** Called once, unless `onFailed` is. */
  readonly onPath: (path: Path) => void;
  readonly onFailed: (reason: string) => void;
  /** The attempt is over: with a path, without one, or cancelled. */
  readonly onEnd: () => void;
}

/** A connection that the other device began, after its hello was found right. */
export interface Greeted {
  readonly connection: Deno.QuicConn;
  readonly reader: QuicReader;
  readonly writer: WritableStreamDefaultWriter<Uint8Array>;
}

export interface Meeting {
  readonly commitment: Uint8Array;
  /** Takes a connection of the other device. */
  greet(greeted: Greeted): void;
  /** Ends the attempt without an outcome. */
  cancel(): void;
}

/** Begins to dial. */
export function beginMeeting(options: MeetingOptions): Meeting {
  const { role, clock, socket, id, secret, peer } = options;
  const connections = new Set<Deno.QuicConn>();
  const reasons: string[] = [];
  let claimed = false;
  let over = false;

  const finish = (kept: Deno.QuicConn | null): void => {
    over = true;
    cancelTimeout();
    for (const connection of connections) if (connection !== kept) closeQuietly(connection);
    connections.clear();
    if (kept === null) options.onEnd();
  };
  const cancelTimeout = clock.schedule(options.withinMs, () => {
    if (over) return;
    finish(null);
    const why = reasons.length === 0 ? "" : `; last: ${reasons.at(-1)}`;
    options.onFailed(`no QUIC connection within ${options.withinMs} ms${why}`);
  });

  const agree = async (greeted: Greeted, hello: Uint8Array | null): Promise<void> => {
    const { connection, reader, writer } = greeted;
    const said = hello ?? new Uint8Array(0);
    let ours = false;
    try {
      if (role === "offerer") {
        if (claimed) return closeQuietly(connection);
        claimed = ours = true;
        await writer.write(concatenated(said, Uint8Array.of(SELECT)));
        await expect(reader, READY);
      } else {
        if (said.length > 0) await writer.write(said);
        await expect(reader, SELECT);
        if (claimed) return closeQuietly(connection);
        claimed = ours = true;
        await writer.write(Uint8Array.of(READY));
      }
      if (over) return closeQuietly(connection);
    } catch (error) {
      if (ours) claimed = false;
      throw error;
    }
    finish(connection);
    const path = quicPath({
      clock,
      connection,
      reader,
      writer,
      binding: options.binding,
      onEnd: () => options.paths.delete(path),
    });
    options.paths.add(path);
    options.onEnd();
    options.onPath(path);
  };
  const track = (greeted: Greeted, hello: Uint8Array | null): void => {
    connections.add(greeted.connection);
    agree(greeted, hello).catch((error: unknown) => {
      reasons.push(String(error));
      connections.delete(greeted.connection);
      closeQuietly(greeted.connection);
    });
  };
  const dial = async (address: DialAddress): Promise<void> => {
    const connection = await socket.dial(address, peer.certificateHash);
    if (over) return closeQuietly(connection);
    const stream = await connection.createBidirectionalStream();
    track({
      connection,
      reader: new QuicReader(stream.readable),
      writer: stream.writable.getWriter(),
    }, concatenated(id, secret));
  };
  for (const address of options.addresses) {
    dial(address).catch((error: unknown) => {
      const reason = errorText(error);
      reasons.push(`${address.host} port ${address.port}: ${reason}`);
    });
  }

  return {
    commitment: peer.commitment,
    greet(greeted) {
      if (over) return closeQuietly(greeted.connection);
      track(greeted, null);
    },
    cancel() {
      if (!over) finish(null);
    },
  };
}

async function expect(reader: QuicReader, wanted: number): Promise<void> {
  const said = (await reader.exactly(1))?.[0];
  if (said !== wanted) {
    throw new Error(`the other end says ${said ?? "nothing"}, expected ${wanted}`);
  }
}

function concatenated(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

/** Closes a connection that may be closed already. */
export function closeQuietly(connection: Deno.QuicConn): void {
  connection.closed.catch(() => {});
  try {
    connection.close({ closeCode: 0, reason: "" });
  } catch {
    // It is.
  }
}
