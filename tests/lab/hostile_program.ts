/**
 * A program for the lab: a device of no mesh that tries to get something out of a node's door. Arguments: address of the door,
 * id of its device, id of another member, the mesh tag that is announced to everybody. Prints one JSON line.
 */
import { openIdentity } from "../../platform/identity.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { parseDeviceId, publicKeyOf } from "../../protocols/ids.ts";
import { encodeSignal } from "../../protocols/session/signalling.ts";
import { ANY_DEVICE } from "../../protocols/session/signed_signal.ts";

/** What was tried and what came back. */
export interface HostileReport {
  /** Status by request. */
  readonly reads: Readonly<Record<string, number>>;
  /** Status and body by kind of offer. */
  readonly offers: Readonly<Record<string, readonly [number, string]>>;
  readonly garbage: Readonly<Record<string, number>>;
  /** How many requests passed before the first 429, and what it said. */
  readonly flood: { readonly passed: number; readonly retryAfter: string | null };
}

const MEDIA_TYPE = "application/vnd.kiana.rendezvous";

async function post(address: string, body: Uint8Array<ArrayBuffer>) {
  const headers = { "content-type": MEDIA_TYPE };
  const response = await fetch(address, { method: "POST", headers, body });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

function keyOf(id: string): Uint8Array {
  const device = parseDeviceId(id);
  if (device === undefined) throw new Error(`"${id}" is no device id`);
  return publicKeyOf(device);
}

function sdp(): string {
  const fingerprint = [...systemRandom().bytes(32)].map((byte) =>
    byte.toString(16).padStart(2, "0").toUpperCase()
  ).join(":");
  return [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "a=mid:0",
    "a=sctp-port:5000",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuvwx",
    `a=fingerprint:sha-256 ${fingerprint}`,
    "a=setup:actpass",
    "",
  ].join("\r\n");
}

async function main(): Promise<HostileReport> {
  const [door = "", victim = "", member = "", meshTag = ""] = Deno.args;
  const directory = await Deno.makeTempDir({ prefix: "hostile-" });
  const signer = await openIdentity({ directory });
  await Deno.remove(directory, { recursive: true });
  const reads: Record<string, number> = {};
  const paths = ["/v1/blocks", "/v1/members", "/v1/status", "/metrics", "/", "/openapi.json"];
  for (const path of paths) {
    const response = await fetch(new URL(path, door));
    await response.body?.cancel();
    reads[path] = response.status;
  }
  const signal = new URL("/kiana/v1/signal", door).href;
  const random = systemRandom();
  const offer = (from: Uint8Array, to: Uint8Array) => {
    const id = random.bytes(16);
    return encodeSignal({ type: "offer", id, meshTag, from, to, sdp: sdp() }, signer).bytes;
  };
  const offers: Record<string, readonly [number, string]> = {};
  const attempts: Record<string, Uint8Array<ArrayBuffer>> = {
    foreign: offer(signer.publicKey, keyOf(victim)),
    foreignToAnyone: offer(signer.publicKey, ANY_DEVICE),
    inTheNameOfAMember: offer(keyOf(member), keyOf(victim)),
    inTheNameOfTheDevice: offer(keyOf(victim), keyOf(victim)),
  };
  for (const [kind, body] of Object.entries(attempts)) {
    const { status, text } = await post(signal, body);
    offers[kind] = [status, text];
  }
  const pair = new URL("/kiana/v1/pair", door).href;
  const garbage = {
    signal: (await post(signal, random.bytes(1_000))).status,
    pair: (await post(pair, random.bytes(1_000))).status,
    tooLarge: (await post(pair, new Uint8Array(1_000_000))).status,
  };
  let passed = 0;
  let retryAfter: string | null = null;
  for (; passed < 1_000; passed += 1) {
    const { status, headers } = await post(signal, random.bytes(64));
    if (status !== 429) continue;
    retryAfter = headers.get("retry-after");
    break;
  }
  return { reads, offers, garbage, flood: { passed, retryAfter } };
}

if (import.meta.main) console.log(JSON.stringify(await main()));
