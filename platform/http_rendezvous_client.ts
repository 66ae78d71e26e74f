/** The asking side of the door: one bounded POST per request. */
import { errorText } from "./error_text.ts";
import { RENDEZVOUS_BYTES_MAX, type RendezvousChannel, type RendezvousReply } from "./transport.ts";
import { postLinkLocal } from "./http_link_local.ts";

/** Content type of requests and replies. */
export const RENDEZVOUS_MEDIA_TYPE = "application/vnd.kiana.rendezvous";

export const CHANNEL_PATHS: Readonly<Record<RendezvousChannel, string>> = {
  signal: "/kiana/v1/signal",
  pair: "/kiana/v1/pair",
};

/** Longest reason of a refusal that is kept, characters. */
const REASON_LENGTH_MAX = 200;
/** "http://[fe80::1%25eth0]:7464": the zone (RFC 6874) names the interface; URL parsers refuse it. */
const ZONED =
  /^http:\/\/\[(fe[89ab][0-9a-f]:[0-9a-f:]*)%25([A-Za-z0-9_.~-]{1,32})\]:(\d{1,5})\/?$/i;

/** Sends one request; never rejects. */
export async function exchange(
  request: {
    readonly address: string;
    readonly channel: RendezvousChannel;
    readonly body: Uint8Array;
  },
  signal: AbortSignal,
): Promise<RendezvousReply> {
  if (request.body.length > RENDEZVOUS_BYTES_MAX) {
    return failed(`request has ${request.body.length} bytes, expected <= ${RENDEZVOUS_BYTES_MAX}`);
  }
  try {
    const path = CHANNEL_PATHS[request.channel];
    const zoned = ZONED.exec(request.address);
    const response = zoned === null
      ? await post(new URL(path, request.address), request.body, signal)
      : await postLinkLocal({
        hostname: `${zoned[1]}%${zoned[2]}`,
        port: Number(zoned[3]),
        path,
        contentType: RENDEZVOUS_MEDIA_TYPE,
        body: request.body,
        bytesMax: RENDEZVOUS_BYTES_MAX,
        signal,
      });
    return replyOf(response.status, response.body);
  } catch (error) {
    return failed(errorText(error));
  }
}

async function post(
  url: URL,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly body: Uint8Array }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": RENDEZVOUS_MEDIA_TYPE },
    body: body.slice(),
    redirect: "error",
    signal,
  });
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > RENDEZVOUS_BYTES_MAX) {
      throw new Error(`reply has more than ${RENDEZVOUS_BYTES_MAX} bytes`);
    }
    parts.push(part);
  }
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return { status: response.status, body: out };
}

function replyOf(status: number, body: Uint8Array): RendezvousReply {
  if (status === 200) return { type: "reply", body };
  const reason = detailOf(body) ?? `status ${status}`;
  return status === 403 ? { type: "refused", reason } : failed(`status ${status}: ${reason}`);
}

function detailOf(body: Uint8Array): string | undefined {
  try {
    const { detail } = JSON.parse(new TextDecoder().decode(body)) as { detail?: unknown };
    return typeof detail === "string" ? detail.slice(0, REASON_LENGTH_MAX) : undefined;
  } catch {
    return undefined;
  }
}

function failed(reason: string): RendezvousReply {
  return { type: "failed", reason };
}
