/**
 * Messages of PCP (RFC 6887, version 2, opcode MAP) and of NAT-PMP (RFC 6886, version 0) as bytes. Both are spoken with port 5351 of the
 * router. Numbers are big endian; addresses take 16 bytes, IPv4 ones mapped into IPv6. Never trusts a length.
 */
import { ipBytes } from "../protocols/discovery/ip.ts";

/** The router listens here for both protocols. */
export const ROUTER_PORT = 5_351;
/** Bytes that tie an answer to its request (RFC 6887, section 11.1). */
export const PCP_NONCE_BYTES = 12;
/** Longest message of PCP, bytes (section 7). */
export const PCP_BYTES_MAX = 1_100;
/** "Success" in both protocols. */
export const RESULT_SUCCESS = 0;
/** "Unsupported version" in both protocols: the router speaks another one. */
export const RESULT_UNSUPPORTED_VERSION = 1;

const VERSION = 2;
const OPCODE_MAP = 1;
const RESPONSE = 0x80;
const HEADER_BYTES = 24;
const MAP_BYTES = 36;
/** Numbers of IANA: what MAP is asked for. */
const PROTOCOLS = { TCP: 6, UDP: 17 } as const;

export type MappedProtocol = keyof typeof PROTOCOLS;

/** One wish: this port of ours, for so long. A lifetime of 0 takes the mapping back. */
export interface MapRequest {
  readonly protocol: MappedProtocol;
  readonly internalPort: number;
  /** Wished for, not promised. */
  readonly externalPort: number;
  readonly lifetimeS: number;
}

export type RouterAnswer =
  | {
    readonly type: "mapped";
    readonly protocol: MappedProtocol;
    readonly internalPort: number;
    readonly externalPort: number;
    /** The router's address outside; empty where the protocol tells it elsewhere (NAT-PMP). */
    readonly externalAddress: string;
    readonly lifetimeS: number;
    /** Seconds since the router began to count: falls when it has forgotten its mappings (section 8.5). */
    readonly epochS: number;
    /** What ties it to the request; null in NAT-PMP, which has nothing. */
    readonly nonce: Uint8Array | null;
  }
  /** NAT-PMP's answer to the question for the address outside. */
  | { readonly type: "address"; readonly externalAddress: string; readonly epochS: number }
  /** The router will not. `nonce` as above; null as well where the answer is too short to have one. */
  | {
    readonly type: "refused";
    readonly version: number;
    readonly result: number;
    readonly nonce: Uint8Array | null;
  }
  | { readonly type: "invalid"; readonly reason: string };

/** A MAP request of PCP (sections 7.1 and 11.1). `clientAddress` must be the one that the packet leaves from. */
export function encodePcpMap(
  request: MapRequest & { readonly clientAddress: string; readonly nonce: Uint8Array },
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(HEADER_BYTES + MAP_BYTES);
  const view = new DataView(out.buffer);
  out[0] = VERSION;
  out[1] = OPCODE_MAP;
  view.setUint32(4, request.lifetimeS);
  out.set(mappedBytes(request.clientAddress), 8);
  out.set(request.nonce.subarray(0, PCP_NONCE_BYTES), HEADER_BYTES);
  out[36] = PROTOCOLS[request.protocol];
  view.setUint16(40, request.internalPort);
  view.setUint16(42, request.externalPort);
  // No address outside is wished for: all zeros of the family that is asked about.
  out.set(mappedBytes(request.clientAddress.includes(":") ? "::" : "0.0.0.0"), 44);
  return out;
}

/** A mapping request of NAT-PMP (RFC 6886, section 3.3). To take it back both port outside and lifetime are 0. */
export function encodePmpMap(request: MapRequest): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(12);
  const view = new DataView(out.buffer);
  out[1] = request.protocol === "UDP" ? 1 : 2;
  view.setUint16(4, request.internalPort);
  view.setUint16(6, request.lifetimeS === 0 ? 0 : request.externalPort);
  view.setUint32(8, request.lifetimeS);
  return out;
}

/** NAT-PMP's question for the address outside (RFC 6886, section 3.2). */
export function encodePmpAddress(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(2);
}

/** Reads an answer of either protocol. Byte fields are copies. */
export function decodeRouterAnswer(bytes: Uint8Array): RouterAnswer {
  if (bytes.length > PCP_BYTES_MAX) {
    return invalid(`answer has ${bytes.length} bytes, expected <= ${PCP_BYTES_MAX}`);
  }
  if (bytes.length < 8) return invalid(`answer has ${bytes.length} bytes, expected >= 8`);
  if ((bytes[1]! & RESPONSE) === 0) return invalid(`opcode is ${bytes[1]}, expected an answer`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return bytes[0] === 0 ? decodePmp(bytes, view) : decodePcp(bytes, view);
}

function decodePmp(bytes: Uint8Array, view: DataView): RouterAnswer {
  const result = view.getUint16(2);
  if (result !== RESULT_SUCCESS) return { type: "refused", version: 0, result, nonce: null };
  const opcode = bytes[1]! & ~RESPONSE;
  const epochS = view.getUint32(4);
  if (opcode === 0 && bytes.length === 12) {
    return { type: "address", externalAddress: bytes.subarray(8, 12).join("."), epochS };
  }
  if ((opcode === 1 || opcode === 2) && bytes.length === 16) {
    return {
      type: "mapped",
      protocol: opcode === 1 ? "UDP" : "TCP",
      internalPort: view.getUint16(8),
      externalPort: view.getUint16(10),
      externalAddress: "",
      lifetimeS: view.getUint32(12),
      epochS,
      nonce: null,
    };
  }
  return invalid(`NAT-PMP opcode is ${opcode} with ${bytes.length} bytes, expected 0-2`);
}

function decodePcp(bytes: Uint8Array, view: DataView): RouterAnswer {
  const version = bytes[0]!;
  const result = bytes[3]!;
  const whole = bytes.length >= HEADER_BYTES + MAP_BYTES &&
    (bytes[1]! & ~RESPONSE) === OPCODE_MAP;
  const nonce = whole ? bytes.slice(HEADER_BYTES, HEADER_BYTES + PCP_NONCE_BYTES) : null;
  if (result !== RESULT_SUCCESS) return { type: "refused", version, result, nonce };
  if (version !== VERSION) return invalid(`version is ${version}, expected ${VERSION} or 0`);
  if (nonce === null || bytes.length % 4 !== 0) {
    return invalid(`answer to MAP has ${bytes.length} bytes, expected >= 60 and a multiple of 4`);
  }
  const protocol = bytes[36] === PROTOCOLS.TCP ? "TCP" : bytes[36] === PROTOCOLS.UDP ? "UDP" : null;
  if (protocol === null) return invalid(`protocol is ${bytes[36]}, expected 6 or 17`);
  return {
    type: "mapped",
    protocol,
    internalPort: view.getUint16(40),
    externalPort: view.getUint16(42),
    externalAddress: addressText(bytes.subarray(44, 60)),
    lifetimeS: view.getUint32(4),
    epochS: view.getUint32(8),
    nonce,
  };
}

/** An address as 16 bytes, IPv4 as ::ffff:a.b.c.d (section 5). */
function mappedBytes(address: string): Uint8Array {
  const bytes = ipBytes(address);
  if (bytes === undefined) {
    throw new RangeError(`Cannot ask the router: own address is "${address}", expected an IP`);
  }
  if (bytes.length === 16) return bytes;
  return Uint8Array.from([...new Uint8Array(10), 0xff, 0xff, ...bytes]);
}

function addressText(bytes: Uint8Array): string {
  const isFour = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff &&
    bytes[11] === 0xff;
  if (isFour) return bytes.subarray(12).join(".");
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return Array.from({ length: 8 }, (_, at) => view.getUint16(at * 2).toString(16)).join(":");
}

function invalid(reason: string): RouterAnswer {
  return { type: "invalid", reason };
}
