/**
 * One HTTP POST to an IPv6 link-local address. URLs and therefore `fetch` cannot carry the zone that such an address
 * needs, sockets can; so this writes the few lines of HTTP/1.1 itself. It understands only what our own door answers:
 * a reply with Content-Length.
 */

/** Largest head of a reply, bytes. */
const HEAD_BYTES_MAX = 8 * 1024;
const HEAD_END = "\r\n\r\n";

/** Posts and reads the reply. @throws {Error} when the reply is none that our door gives, or on network failure */
export async function postLinkLocal(options: {
  /** With zone: "fe80::1%eth0". */
  readonly hostname: string;
  readonly port: number;
  readonly path: string;
  readonly contentType: string;
  readonly body: Uint8Array;
  readonly bytesMax: number;
  readonly signal: AbortSignal;
}): Promise<{ readonly status: number; readonly body: Uint8Array }> {
  options.signal.throwIfAborted();
  const connection = await Deno.connect({
    hostname: options.hostname,
    port: options.port,
    signal: options.signal,
  });
  const abort = () => closeQuietly(connection);
  options.signal.addEventListener("abort", abort);
  try {
    const bare = options.hostname.split("%")[0] ?? "";
    const host = bare.includes(":") ? `[${bare}]` : bare;
    const head = `POST ${options.path} HTTP/1.1\r\nHost: ${host}:${options.port}\r\n` +
      `Content-Type: ${options.contentType}\r\nContent-Length: ${options.body.length}\r\n` +
      `Connection: close${HEAD_END}`;
    await writeAll(connection, new TextEncoder().encode(head));
    await writeAll(connection, options.body);
    return await readReply(connection, options.bytesMax);
  } finally {
    options.signal.removeEventListener("abort", abort);
    closeQuietly(connection);
  }
}

/** The reply, when `bytes` hold all of it; undefined while more is to come. */
function parseReply(
  bytes: Uint8Array,
  bytesMax: number,
): { readonly status: number; readonly body: Uint8Array } | undefined {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, HEAD_BYTES_MAX));
  const end = text.indexOf(HEAD_END);
  if (end < 0) {
    if (bytes.length >= HEAD_BYTES_MAX) {
      throw new Error(`reply has no head within ${HEAD_BYTES_MAX} bytes`);
    }
    return undefined;
  }
  const head = text.slice(0, end);
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1];
  const length = Number(/\r\ncontent-length: (\d{1,9})(?:\r\n|$)/i.exec(head)?.[1]);
  if (status === undefined || Number.isNaN(length)) {
    throw new Error("reply is no HTTP/1.1 message with Content-Length");
  }
  if (length > bytesMax) {
    throw new Error(`reply has ${length} bytes, not more than ${bytesMax} expected`);
  }
  const start = end + HEAD_END.length;
  if (bytes.length < start + length) return undefined;
  return { status: Number(status), body: bytes.slice(start, start + length) };
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += await connection.write(bytes.subarray(at));
}

async function readReply(
  connection: Deno.Conn,
  bytesMax: number,
): Promise<{ readonly status: number; readonly body: Uint8Array }> {
  const buffer = new Uint8Array(HEAD_BYTES_MAX + bytesMax);
  let length = 0;
  while (true) {
    const count = await connection.read(buffer.subarray(length));
    if (count === null || count === 0) throw new Error("reply broke off");
    length += count;
    const reply = parseReply(buffer.subarray(0, length), bytesMax);
    if (reply !== undefined) return reply;
  }
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Already closed by an abort.
  }
}
