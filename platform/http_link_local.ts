/**
 * One HTTP POST to an IPv6 link-local address. URLs and therefore `fetch` cannot carry the zone that such an address
 * needs, sockets can; so this writes the few lines of HTTP/1.1 itself. It understands only what our own door answers:
 * a reply with Content-Length on a connection that is then closed.
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
    const host = options.hostname.split("%")[0];
    const head = `POST ${options.path} HTTP/1.1\r\nHost: [${host}]:${options.port}\r\n` +
      `Content-Type: ${options.contentType}\r\nContent-Length: ${options.body.length}\r\n` +
      `Connection: close${HEAD_END}`;
    await writeAll(connection, new TextEncoder().encode(head));
    await writeAll(connection, options.body);
    return parseReply(await readAll(connection, HEAD_BYTES_MAX + options.bytesMax));
  } finally {
    options.signal.removeEventListener("abort", abort);
    closeQuietly(connection);
  }
}

function parseReply(bytes: Uint8Array): { readonly status: number; readonly body: Uint8Array } {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, HEAD_BYTES_MAX));
  const end = text.indexOf(HEAD_END);
  const head = end < 0 ? "" : text.slice(0, end);
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1];
  const length = /\r\ncontent-length: (\d{1,9})(?:\r\n|$)/i.exec(head)?.[1];
  const body = bytes.subarray(end + HEAD_END.length);
  if (status === undefined || length === undefined || body.length !== Number(length)) {
    throw new Error("reply is not a complete HTTP/1.1 message with Content-Length");
  }
  return { status: Number(status), body };
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += await connection.write(bytes.subarray(at));
}

async function readAll(connection: Deno.Conn, bytesMax: number): Promise<Uint8Array> {
  const out = new Uint8Array(bytesMax + 1);
  let length = 0;
  while (true) {
    const count = await connection.read(out.subarray(length));
    if (count === null) return out.subarray(0, length);
    length += count;
    if (length > bytesMax) throw new Error(`reply has more than ${bytesMax} bytes`);
  }
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Already closed by an abort.
  }
}
