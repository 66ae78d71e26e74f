/** Versions and indexes of backups as bytes: canonical CBOR, read strictly. The only edge of this format. */
import { z } from "zod";
import type { Crypto, Random, Signer } from "../../platform/ports.ts";
import { encodeCanonical } from "../codec.ts";
import { domainSeparated } from "../domains.ts";
import type { ContentHash } from "../ids.ts";
import {
  bytes,
  bytes16,
  bytes32,
  decodeAs,
  type Decoded,
  signature,
  text,
} from "../wire_schema.ts";
import {
  FILES_MAX,
  type IndexedFile,
  isBackupPath,
  KDF_N_MAX,
  KDF_N_MIN,
  PIECE_BYTES_MAX,
  type PieceReference,
  PIECES_MAX,
  type Root,
  VERSION_BYTES_MAX,
  type VersionBody,
} from "./format.ts";
import type { BackupKeys } from "./keys.ts";

/** Name, tag and size of a piece, one after another. */
const REFERENCE_BYTES = 68;
const NAME_BYTES = 32;
const NONCE_BYTES = 12;
/** An index is itself cut into pieces; this is what it may have before that. */
export const INDEX_BYTES_MAX = PIECES_MAX * REFERENCE_BYTES + FILES_MAX * 128;

const count = (max: number) => z.int().min(0).max(max);

const envelopeSchema = z.strictObject({ body: bytes(VERSION_BYTES_MAX), signature });
const bodySchema = z.strictObject({
  version: z.literal(1),
  device: bytes32,
  kdf: z.strictObject({
    n: z.int().min(KDF_N_MIN).max(KDF_N_MAX),
    r: z.literal(8),
    p: z.literal(1),
    salt: bytes16,
  }),
  check: bytes16,
  timeMs: count(Number.MAX_SAFE_INTEGER),
  bytes: count(Number.MAX_SAFE_INTEGER),
  files: count(FILES_MAX),
  names: bytes(PIECES_MAX * NAME_BYTES).refine(
    (value) => value.length % NAME_BYTES === 0,
    "expected a multiple of 32 bytes",
  ),
  root: bytes(VERSION_BYTES_MAX),
});
const references = bytes(PIECES_MAX * REFERENCE_BYTES).refine(
  (value) => value.length % REFERENCE_BYTES === 0,
  "expected a multiple of 68 bytes",
);
const rootSchema = z.strictObject({ indexBytes: count(INDEX_BYTES_MAX), index: references });
const indexSchema = z.strictObject({
  files: z.array(z.strictObject({
    path: text(128).refine(isBackupPath, "is no path of a backup"),
    bytes: count(Number.MAX_SAFE_INTEGER),
    sha256: bytes32,
    pieces: references,
  })).max(FILES_MAX),
});

function packed(list: readonly PieceReference[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(list.length * REFERENCE_BYTES);
  const view = new DataView(out.buffer);
  for (const [i, { name, tag, bytes }] of list.entries()) {
    out.set(Uint8Array.fromHex(name), i * REFERENCE_BYTES);
    out.set(tag, i * REFERENCE_BYTES + 32);
    view.setUint32(i * REFERENCE_BYTES + 64, bytes);
  }
  return out;
}

function unpacked(data: Uint8Array): readonly PieceReference[] | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const list: PieceReference[] = [];
  for (let at = 0; at < data.length; at += REFERENCE_BYTES) {
    const size = view.getUint32(at + 64);
    if (size === 0 || size > PIECE_BYTES_MAX) return undefined;
    const name = data.slice(at, at + 32).toHex() as ContentHash;
    list.push({ name, tag: data.slice(at + 32, at + 64), bytes: size });
  }
  return list;
}

function packedNames(names: readonly ContentHash[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(names.length * NAME_BYTES);
  for (const [i, name] of names.entries()) out.set(Uint8Array.fromHex(name), i * NAME_BYTES);
  return out;
}

function unpackedNames(data: Uint8Array): readonly ContentHash[] | undefined {
  const names: ContentHash[] = [];
  let previous = "";
  for (let at = 0; at < data.length; at += NAME_BYTES) {
    const name = data.subarray(at, at + NAME_BYTES).toHex();
    if (name <= previous) return undefined;
    previous = name;
    names.push(name as ContentHash);
  }
  return names;
}

/** The index of a backup's files, to be cut and sealed like any other content. */
export function encodeIndex(files: readonly IndexedFile[]): Uint8Array<ArrayBuffer> {
  return encodeCanonical({
    files: files.map(({ path, bytes, sha256, pieces }) => {
      return { path, bytes, sha256: Uint8Array.fromHex(sha256), pieces: packed(pieces) };
    }),
  });
}

function failed<T>(reason: string): Decoded<T> {
  return { ok: false, reason };
}

/** Reads an index: sizes must add up, and no path comes twice. */
export function decodeIndex(data: Uint8Array): Decoded<readonly IndexedFile[]> {
  const limits = { bytesMax: INDEX_BYTES_MAX, itemsMax: 10 * FILES_MAX };
  const decoded = decodeAs(indexSchema, data, limits);
  if (!decoded.ok) return decoded;
  const files: IndexedFile[] = [];
  const paths = new Set<string>();
  for (const file of decoded.message.files) {
    const pieces = unpacked(file.pieces);
    if (pieces === undefined) return failed(`${file.path}: a piece has an impossible size`);
    const sum = pieces.reduce((total, piece) => total + piece.bytes, 0);
    if (sum !== file.bytes) return failed(`${file.path}: its pieces have ${sum} bytes together`);
    if (paths.has(file.path)) return failed(`${file.path}: comes twice`);
    paths.add(file.path);
    files.push({ ...file, sha256: file.sha256.toHex() as ContentHash, pieces });
  }
  return { ok: true, message: files };
}

type Open = Omit<VersionBody, "root">;

/** Everything that is bound to the sealed root. */
function associatedOf(body: Open): Uint8Array<ArrayBuffer> {
  return encodeCanonical({
    version: body.version,
    device: body.device,
    kdf: { ...body.kdf },
    check: body.check,
    timeMs: body.timeMs,
    bytes: body.bytes,
    files: body.files,
    names: packedNames(body.names),
  });
}

/** Seals what leads to the index, signs the whole, and encodes it. */
export function encodeVersion(
  { crypto, random, signer, keys }: {
    readonly crypto: Crypto;
    readonly random: Random;
    readonly signer: Signer;
    readonly keys: BackupKeys;
  },
  open: Open,
  { indexBytes, index }: Root,
): Uint8Array<ArrayBuffer> {
  const nonce = random.bytes(NONCE_BYTES);
  const sealed = crypto.seal({
    key: keys.root,
    nonce,
    plaintext: encodeCanonical({ indexBytes, index: packed(index) }),
    associated: associatedOf(open),
  });
  const root = new Uint8Array(NONCE_BYTES + sealed.length);
  root.set(nonce);
  root.set(sealed, NONCE_BYTES);
  const body = encodeCanonical({
    ...open,
    kdf: { ...open.kdf },
    names: packedNames(open.names),
    root,
  });
  return encodeCanonical({ body, signature: signer.sign(domainSeparated("backup", body)) });
}

/** Reads a version and checks its signature; the root stays sealed. What a keeper does, too. */
export function decodeVersion(crypto: Crypto, data: Uint8Array): Decoded<VersionBody> {
  const outer = decodeAs(envelopeSchema, data, { bytesMax: VERSION_BYTES_MAX });
  if (!outer.ok) return outer;
  const { body, signature } = outer.message;
  const inner = decodeAs(bodySchema, body, { bytesMax: VERSION_BYTES_MAX });
  if (!inner.ok) return inner;
  const names = unpackedNames(inner.message.names);
  if (names === undefined) return failed("names: expected ascending and without duplicates");
  const { device } = inner.message;
  const message = domainSeparated("backup", body);
  if (!crypto.verify({ publicKey: device, message, signature })) {
    return failed("signature: is not that of the device");
  }
  return { ok: true, message: { ...inner.message, names } };
}

/** What leads to the index; undefined when the keys are not those it was sealed with, or anything was changed. */
export function openRoot(
  crypto: Crypto,
  keys: BackupKeys,
  { root, ...open }: VersionBody,
): Root | undefined {
  const plain = crypto.open({
    key: keys.root,
    nonce: root.subarray(0, NONCE_BYTES),
    ciphertext: root.subarray(NONCE_BYTES),
    associated: associatedOf(open),
  });
  if (plain === undefined) return undefined;
  const decoded = decodeAs(rootSchema, plain, { bytesMax: VERSION_BYTES_MAX });
  if (!decoded.ok) return undefined;
  const index = unpacked(decoded.message.index);
  return index === undefined ? undefined : { indexBytes: decoded.message.indexBytes, index };
}
