/** Domain separation: every signature says what it is for, so that none can be used as another. */

/** The purposes a device key signs for. */
export const DOMAINS = {
  block: "kiana block v1",
  sessionInitiator: "kiana session v1 initiator",
  sessionResponder: "kiana session v1 responder",
  signalOffer: "kiana signal v1 offer",
  signalAnswer: "kiana signal v1 answer",
  pairing: "kiana pairing v1",
  parcel: "kiana parcel v1",
  presence: "kiana presence v1",
  quicOffer: "kiana quic v1 offer",
  quicAnswer: "kiana quic v1 answer",
  groupLeaf: "kiana group leaf v1",
  conversation: "kiana conversation v1",
  backup: "kiana backup v1",
  modelSubmission: "kiana model submission v1",
  sumKeys: "kiana sum keys v1",
  sumSurvivors: "kiana sum survivors v1",
  sumDealt: "kiana sum dealt v1",
  sumOpening: "kiana sum opening v1",
  sumConfirmed: "kiana sum confirmed v1",
  sumSecondKey: "kiana sum second key v1",
} as const;
export type Domain = keyof typeof DOMAINS;

const encoded = Object.fromEntries(
  Object.entries(DOMAINS).map(([name, text]) => [name, new TextEncoder().encode(text + "\0")]),
) as Readonly<Record<Domain, Uint8Array>>;

/** The bytes that are signed: the domain's name, a zero byte, then the parts one after another. */
export function domainSeparated(
  domain: Domain,
  ...parts: readonly Uint8Array[]
): Uint8Array<ArrayBuffer> {
  const prefix = encoded[domain];
  let length = prefix.length;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  out.set(prefix);
  let offset = prefix.length;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
