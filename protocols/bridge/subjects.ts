/**
 * Names on the broker. A broker must route without learning more than it needs: a mesh appears as a tag that members compute and
 * strangers cannot turn back, a device by its public key, which the broker has to tell apart anyway.
 */
import type { Crypto } from "../../platform/ports.ts";
import type { DeviceId, MeshId } from "../ids.ts";

/** 16 lower-case hex digits that stand for one mesh on brokers. */
export type BrokerTag = string & { readonly __brand: "BrokerTag" };

const label = new TextEncoder().encode("kiana broker tag");

/**
 * The first 16 hex digits of SHA-256("kiana broker tag" ‖ the 32 bytes of the mesh id). Another label than the tag of DNS-SD has, so that
 * a broker and somebody on a home network cannot compare what they see.
 */
export function brokerTagOf(crypto: Pick<Crypto, "sha256">, mesh: MeshId): BrokerTag {
  return crypto.sha256(label, Uint8Array.fromHex(mesh)).toHex().slice(0, 16) as BrokerTag;
}

/** Frames for one device. */
export function nodeSubject(tag: BrokerTag, device: DeviceId): string {
  return `kiana.${tag}.node.${device}.in`;
}

/** Where members say that they are here; all listen. */
export function presenceSubject(tag: BrokerTag): string {
  return `kiana.${tag}.presence`;
}

/** Rendezvous requests to one device. */
export function signalSubject(tag: BrokerTag, device: DeviceId): string {
  return `kiana.${tag}.signal.${device}`;
}

/** Mail for one device, kept by the broker. */
export function mailSubject(tag: BrokerTag, device: DeviceId): string {
  return `kiana.${tag}.mail.${device}`;
}

/** True for a subject that can be published to: parts without wildcards or spaces. What others name as the place of an answer need not be one. */
export function isPlainSubject(subject: string): boolean {
  return subject.length <= 256 && /^[^\s.*>\p{C}]+(?:\.[^\s.*>\p{C}]+)*$/u.test(subject);
}
