/**
 * How the NATS client reaches a server: TCP and TLS by Deno's own sockets. The official transport for Node leaks an uncaught ECONNRESET under Deno
 * when a login is refused, which ends the process; this one has nothing that could be left unhandled, and is faster.
 */
import {
  type ConnectionOptions,
  DataBuffer,
  type Deferred,
  deferred,
  extractProtocolMessage,
  INFO,
  type Server,
  type Transport,
} from "@nats-io/nats-core/internal";

const READ_BYTES = 64 * 1024;
/** So many pieces are joined for one write at most. */
const PARTS_PER_WRITE = 1_024;
/** How long closing waits for what was accepted to leave, ms. */
const CLOSING_MS_MAX = 1_000;
/** Longest INFO line of a server, bytes. */
const INFO_BYTES_MAX = 64 * 1024;

/** What our connections hand to the transport beside the client's own options. */
export interface SocketOptions {
  /** PEM certificates of authorities to trust beside the system's. */
  readonly caCertificates: readonly string[];
  /** Told of the socket as soon as it exists. */
  readonly onSocket: (socket: NatsSocket) => void;
}

/** Our options travel inside the client's; it copies every property. */
export type OptionsWithSocket = ConnectionOptions & { readonly submind?: SocketOptions };

/** Opens TCP to "host:port" unless `signal` ends it first. A connection that comes too late is closed. */
export async function openTcp(
  address: { readonly hostname: string; readonly port: number },
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  signal.throwIfAborted();
  const opening = Deno.connect(address);
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  try {
    return await Promise.race([opening, aborted]);
  } catch (error) {
    opening.then((late) => late.close(), () => {});
    throw error;
  }
}

/** Reads a server's INFO line, the first thing it says, and whatever came with it. */
export async function readInfo(
  connection: Deno.Conn,
): Promise<{ readonly info: Record<string, unknown>; readonly bytes: Uint8Array }> {
  let bytes: Uint8Array = new Uint8Array();
  while (bytes.length <= INFO_BYTES_MAX) {
    const part = new Uint8Array(READ_BYTES);
    const count = await connection.read(part);
    if (count === null) throw new Error("connection ended before the server said who it is");
    bytes = DataBuffer.concat(bytes, part.subarray(0, count));
    const line = extractProtocolMessage(bytes);
    if (line === "") continue;
    const json = INFO.exec(line)?.[1];
    if (json === undefined) throw new Error("this is no NATS server");
    return { info: JSON.parse(json) as Record<string, unknown>, bytes };
  }
  throw new Error(`the server's first line has more than ${INFO_BYTES_MAX} bytes`);
}

/** One socket under one connection of the client. */
export class NatsSocket implements Transport {
  readonly lang = "submind";
  readonly version = "1";
  closeError?: Error;
  /** Bytes read and written so far: whether a busy connection still moves. */
  bytesRead = 0;
  bytesWritten = 0;
  #connection: Deno.Conn | undefined;
  #ended = false;
  #encrypted = false;
  #first: Uint8Array | undefined;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;
  readonly #closed: Deferred<void | Error> = deferred<void | Error>();
  readonly #abort = new AbortController();

  get isClosed(): boolean {
    return this.#ended;
  }

  /** Bytes that have not been handed to the system yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  isEncrypted(): boolean {
    return this.#encrypted;
  }

  async connect(server: Server, options: ConnectionOptions): Promise<void> {
    const { submind, tls } = options as OptionsWithSocket;
    submind?.onSocket(this);
    const hostname = server.hostname.replace(/^\[|\]$/g, "");
    const connection = await openTcp({ hostname, port: server.port }, this.#abort.signal);
    if (this.#ended) return connection.close();
    connection.setNoDelay(true);
    this.#connection = connection;
    try {
      const { info, bytes } = await readInfo(connection);
      if (tls || info["tls_required"] === true) {
        if (info["tls_required"] !== true && info["tls_available"] !== true) {
          throw new Error("the server offers no TLS, and none else is accepted here");
        }
        const caCerts = [...submind?.caCertificates ?? []];
        this.#connection = await Deno.startTls(connection, { hostname, caCerts });
        this.#encrypted = true;
      }
      this.#first = bytes;
    } catch (error) {
      this.#finish(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    let failure: Error | undefined;
    try {
      if (this.#first !== undefined) yield this.#first;
      while (this.#connection !== undefined && !this.#ended) {
        const part = new Uint8Array(READ_BYTES);
        const count = await this.#connection.read(part);
        if (count === null) break;
        this.bytesRead += count;
        yield part.subarray(0, count);
      }
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    this.#finish(this.#ended ? undefined : failure);
  }

  send(frame: Uint8Array): void {
    if (this.#ended) return;
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    this.#writing ??= this.#write().finally(() => this.#writing = undefined);
  }

  async #write(): Promise<void> {
    // Lets everything of this turn go out together.
    await Promise.resolve();
    try {
      while (this.#queue.length > 0 && !this.#ended && this.#connection !== undefined) {
        const parts = this.#queue.splice(0, PARTS_PER_WRITE);
        const bytes = parts.length === 1 && parts[0] !== undefined
          ? parts[0]
          : DataBuffer.concat(...parts);
        for (let at = 0; at < bytes.length;) {
          const count = await this.#connection.write(at === 0 ? bytes : bytes.subarray(at));
          at += count;
          this.bytesWritten += count;
          this.#queuedBytes -= count;
        }
      }
    } catch {
      // The reader of this socket meets the same failure and tells.
    }
  }

  #finish(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    if (error !== undefined) this.closeError ??= error;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#abort.abort(new Error("closed"));
    try {
      this.#connection?.close();
    } catch {
      // It was closed by the other side.
    }
    this.#closed.resolve(this.closeError);
  }

  async close(error?: Error): Promise<void> {
    // What was accepted leaves, unless the other side does not take it.
    const writing = this.#writing;
    if (error === undefined && writing !== undefined) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([
        writing,
        new Promise<void>((resolve) => timer = setTimeout(resolve, CLOSING_MS_MAX)),
      ]);
      clearTimeout(timer);
    }
    this.#finish(error);
    await this.#closed;
  }

  disconnect(): void {
    this.#finish();
  }

  closed(): Promise<void | Error> {
    return this.#closed;
  }

  discard(): void {
    this.#finish();
  }
}
