/**
 * Blocks as bytes, and new blocks. Written by hand rather than by the general encoder because creating a block should cost little
 * more than its signature; tests hold the bytes equal to what `encodeCanonical` gives.
 */
import { invariant } from "../../platform/invariant.ts";
import type { SignedMessage, Signer } from "../../platform/ports.ts";
import { domainSeparated } from "../domains.ts";
import {
  type BlockId,
  type ContentHash,
  type DeviceId,
  deviceIdOf,
  type MeshId,
  publicKeyOf,
} from "../ids.ts";
import type { Block, BlockHeader, Hasher } from "./block.ts";
import { compareUtf8, HEADER_BYTES_MAX, payloadBytesOf, problemOfHeader } from "./limits.ts";

/** What `draftBlock` needs: the header without what follows from the rest. Tags and parents come in any order. */
export interface BlockToSign extends Omit<BlockHeader, "version" | "payloadHash"> {
  /** See `Block.payload`; must be given for the author's own block. */
  readonly payload: Uint8Array;
  /** SHA-256 of the payload when the caller knows it already. */
  readonly payloadHash?: ContentHash;
  readonly crypto: Hasher;
}

/** What `createBlock` needs: as `BlockToSign`, with the key instead of its owner. */
export interface NewBlock extends Omit<BlockToSign, "author"> {
  readonly signer: Signer;
}

/**
 * A block that lacks only its signature. Its id is the hash of its header, so that the next one of its author can already be
 * made; nobody may be shown it.
 */
export type UnsignedBlock = Omit<Block, "signature">;

/**
 * Makes a block up to its signature. The payload is taken over, not copied.
 *
 * @throws {InvariantError} when the header breaks a limit: callers check drafts with `problemOfDraft` first
 */
export function draftBlock(block: BlockToSign): UnsignedBlock {
  const { payload, crypto } = block;
  const header: BlockHeader = {
    version: 1,
    mesh: block.mesh,
    author: block.author,
    sequence: block.sequence,
    previous: block.previous,
    parents: ascending(block.parents, (a, b) => a < b ? -1 : a > b ? 1 : 0),
    kind: block.kind,
    target: block.target,
    topic: block.topic,
    tags: ascending(block.tags, compareUtf8),
    mediaType: block.mediaType,
    timeMs: block.timeMs,
    bodyBytes: block.bodyBytes,
    payloadHash: block.payloadHash ?? crypto.sha256Hex(payload) as ContentHash,
  };
  const problem = problemOfHeader(header);
  invariant(problem === undefined, () => `Cannot create block: ${problem}`);
  invariant(
    payload.length === payloadBytesOf(header.bodyBytes),
    () =>
      `Cannot create block: payload has ${payload.length} bytes for a body of ${header.bodyBytes}`,
  );
  const headerBytes = encodeHeader(header);
  const id = crypto.sha256Hex(headerBytes) as BlockId;
  return { id, header, headerBytes, payload };
}

/** The bytes that the author of a block signs. */
export function messageToSign({ id }: Pick<Block, "id">): Uint8Array<ArrayBuffer> {
  return domainSeparated("block", Uint8Array.fromHex(id));
}

/** As `messageToSign` for many blocks: views into one buffer. */
export function messagesToSign(blocks: readonly Pick<Block, "id">[]): Uint8Array<ArrayBuffer>[] {
  const empty = domainSeparated("block");
  const length = empty.length + 32;
  const all = new Uint8Array(blocks.length * length);
  return blocks.map(({ id }, i) => {
    const message = all.subarray(i * length, (i + 1) * length);
    message.set(empty);
    message.subarray(empty.length).setFromHex(id);
    return message;
  });
}

/** The block with its author's signature (64 bytes) over `messageToSign`. */
export function withSignature(block: UnsignedBlock, signature: Uint8Array): Block {
  const { id, header, headerBytes, payload } = block;
  return { id, header, headerBytes, signature, payload };
}

/**
 * Makes and signs a block. The payload is taken over, not copied.
 *
 * @throws {InvariantError} when the header breaks a limit: callers check drafts with `problemOfDraft` first
 */
export function createBlock(block: NewBlock): Block {
  const { signer } = block;
  const unsigned = draftBlock({ ...block, author: deviceIdOf(signer.publicKey) });
  return withSignature(unsigned, signer.sign(messageToSign(unsigned)));
}

function ascending<T>(items: readonly T[], compare: (a: T, b: T) => number): readonly T[] {
  return items.length < 2 ? items : [...new Set(items)].sort(compare);
}

/** What the author signed, to be checked with `Crypto.verify` or, many at once, `verifyMany`. */
export function signedMessageOf(block: Block): SignedMessage {
  return {
    publicKey: publicKeyOf(block.header.author),
    message: messageToSign(block),
    signature: block.signature,
  };
}

/** The block as it travels: canonical CBOR of [header bytes, signature, payload or null]. */
export function encodeBlock(block: Block): Uint8Array<ArrayBuffer> {
  const { headerBytes, signature, payload } = block;
  const out = new Uint8Array(
    1 + byteStringBytes(headerBytes.length) + byteStringBytes(signature.length) +
      (payload === null ? 1 : byteStringBytes(payload.length)),
  );
  out[0] = 0x83;
  let offset = writeByteString(out, 1, headerBytes);
  offset = writeByteString(out, offset, signature);
  if (payload === null) out[offset] = NULL;
  else writeByteString(out, offset, payload);
  return out;
}

const NULL = 0xf6;
const UNSIGNED = 0x00;
const BYTES = 0x40;
const TEXT = 0x60;
const ARRAY = 0x80;

// One header is written at a time, into the same memory; what leaves is a copy.
const scratch = new Uint8Array(HEADER_BYTES_MAX);
const utf8 = new TextEncoder();
// What `scratch` begins with: blocks come in runs of one mesh and author, whose part is then not written again.
let writtenMesh: MeshId | null = null;
let writtenAuthor: DeviceId | null = null;
let writtenBytes = 0;

/** The bytes that are hashed and signed. The header must have no problem (`problemOfHeader`). */
export function encodeHeader(header: BlockHeader): Uint8Array<ArrayBuffer> {
  if (header.author !== writtenAuthor || header.mesh !== writtenMesh) writeBeginning(header);
  let offset = writeHead(scratch, writtenBytes, UNSIGNED, header.sequence);
  offset = writeHash(offset, header.previous);
  offset = writeHead(scratch, offset, ARRAY, header.parents.length);
  for (const parent of header.parents) offset = writeHash(offset, parent);
  offset = writeText(offset, header.kind);
  offset = writeHash(offset, header.target);
  offset = writeText(offset, header.topic);
  offset = writeHead(scratch, offset, ARRAY, header.tags.length);
  for (const tag of header.tags) offset = writeText(offset, tag);
  offset = writeText(offset, header.mediaType);
  offset = writeHead(scratch, offset, UNSIGNED, header.timeMs);
  offset = writeHead(scratch, offset, UNSIGNED, header.bodyBytes);
  offset = writeHash(offset, header.payloadHash);
  return scratch.slice(0, offset);
}

function writeBeginning({ version, mesh, author }: BlockHeader): void {
  writtenAuthor = null;
  let offset = writeHead(scratch, 0, ARRAY, 14);
  offset = writeHead(scratch, offset, UNSIGNED, version);
  offset = writeHash(offset, mesh);
  writtenBytes = writeByteString(scratch, offset, publicKeyOf(author));
  writtenMesh = mesh;
  writtenAuthor = author;
}

function writeHash(offset: number, hash: BlockId | ContentHash | null): number {
  if (hash === null) {
    scratch[offset] = NULL;
    return offset + 1;
  }
  scratch[offset] = 0x58;
  scratch[offset + 1] = 32;
  const { written } = scratch.subarray(offset + 2, offset + 34).setFromHex(hash);
  invariant(written === 32, `hash "${hash}" has no 32 bytes`);
  return offset + 34;
}

function writeText(offset: number, text: string): number {
  // The length in bytes must come first. Nearly all are ASCII, where it is the length of the text.
  const length = asciiLength(text);
  if (length !== undefined) {
    const start = writeHead(scratch, offset, TEXT, length);
    for (let i = 0; i < length; i++) scratch[start + i] = text.charCodeAt(i);
    return start + length;
  }
  const bytes = utf8.encode(text);
  const start = writeHead(scratch, offset, TEXT, bytes.length);
  scratch.set(bytes, start);
  return start + bytes.length;
}

function asciiLength(text: string): number | undefined {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return undefined;
  return text.length;
}

function byteStringBytes(length: number): number {
  return length + (length < 24 ? 1 : length < 256 ? 2 : length < 65_536 ? 3 : 5);
}

function writeByteString(out: Uint8Array, offset: number, bytes: Uint8Array): number {
  const start = writeHead(out, offset, BYTES, bytes.length);
  out.set(bytes, start);
  return start + bytes.length;
}

/** A CBOR head in its shortest form; `major` is the major type in the upper three bits. */
function writeHead(out: Uint8Array, offset: number, major: number, argument: number): number {
  if (argument < 24) {
    out[offset] = major | argument;
    return offset + 1;
  }
  const bytes = argument < 256 ? 1 : argument < 65_536 ? 2 : argument < 4_294_967_296 ? 4 : 8;
  out[offset] = major | (bytes === 1 ? 24 : bytes === 2 ? 25 : bytes === 4 ? 26 : 27);
  let rest = argument;
  for (let i = bytes; i > 0; i--) {
    out[offset + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return offset + 1 + bytes;
}
