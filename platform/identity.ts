/**
 * The device's Ed25519 identity: made at the first start, then read from `identity.pem`. A key file is never overwritten: whoever loses
 * it is another device to everybody else, so what cannot be read is refused with a way out. The device's other keys follow from it
 * (`identity_subkeys.ts`) and stand in no file.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import { Buffer } from "node:buffer";
import { chmod, link, lstat, mkdir, open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { loadSecretbox } from "./box_crypto_library.ts";
import { privateKeyObject } from "./crypto_keys.ts";
import { errorText } from "./error_text.ts";
import { type Identity, subkeysOf } from "./identity_subkeys.ts";
import { keySigner, type NodeSignerOptions } from "./node_signer.ts";
import type { Random } from "./ports.ts";

/** Why the identity cannot be used. The message names the file and says what to do. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
  constructor(
    message: string,
    readonly reason: "exposed" | "corrupt" | "unreadable",
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface IdentityOptions {
  /** The folder for keys, `<data>/keys`; made with mode 0700 when it is missing. */
  readonly directory: string;
  /** Where a new key comes from; only for reproducible tests. Default: the system's generator. */
  readonly random?: Random;
  /** How many are signed at once; see there. */
  readonly signing?: NodeSignerOptions;
}

/** The file in the key folder: PKCS #8 in PEM (RFC 8410), readable by OpenSSL. */
export const IDENTITY_FILE = "identity.pem";
const KEY_FILE_BYTES_MAX = 4_096;

/**
 * Opens the identity, making it if there is none. Two starts at once get the same identity.
 *
 * @throws {IdentityError} when others may read the file, when it is no Ed25519 key, or when the disk refuses
 */
export async function openIdentity(options: IdentityOptions): Promise<Identity> {
  const path = join(options.directory, IDENTITY_FILE);
  try {
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    const existing = await readKey(path);
    if (existing !== undefined) return await identityOf(existing, options);
    await writeKey(path, options);
    const written = await readKey(path);
    if (written !== undefined) return await identityOf(written, options);
  } catch (error) {
    if (error instanceof IdentityError) throw error;
    throw new IdentityError(
      `Cannot open the identity "${path}": ${errorText(error)}. ` +
        "Check that this user may read and write the folder and that the disk is not full.",
      "unreadable",
      { cause: error },
    );
  }
  throw new IdentityError(`Cannot open the identity "${path}": it vanished`, "unreadable");
}

async function identityOf(key: KeyObject, options: IdentityOptions): Promise<Identity> {
  const der = key.export({ format: "der", type: "pkcs8" });
  // PKCS #8 of an Ed25519 key ends with its 32-byte seed (RFC 8410, section 7).
  const seed = new Uint8Array(der.subarray(der.length - 32));
  const subkeys = subkeysOf(seed, await loadSecretbox());
  der.fill(0);
  seed.fill(0);
  return { ...keySigner(key, options.signing), ...subkeys };
}

async function readKey(path: string): Promise<KeyObject | undefined> {
  let status;
  try {
    status = await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (!status.isFile()) {
    throw new IdentityError(
      `Cannot use the identity "${path}": it is a link or folder, expected a plain file.`,
      "unreadable",
    );
  }
  const mode = status.mode & 0o777;
  // Windows has no such bits; its folders inherit the rights of the user's profile.
  if (Deno.build.os !== "windows" && (mode & 0o077) !== 0) {
    throw new IdentityError(
      `Cannot use the identity "${path}": its mode is ${
        mode.toString(8).padStart(4, "0")
      }, so others may have read it, ` +
        `expected 0600. If nobody else uses this machine: chmod 600 "${path}". Otherwise move it away, ` +
        "start again as a new device, and have an owner revoke the old one.",
      "exposed",
    );
  }
  return parseKey(path, status.size);
}

async function parseKey(path: string, size: number): Promise<KeyObject> {
  const corrupt = (problem: string, cause?: unknown) =>
    new IdentityError(
      `Cannot use the identity "${path}": ${problem}, expected an Ed25519 private key in PEM (PKCS #8). ` +
        "Restore it from a backup; or move it away and start again as a new device. It was left as it is.",
      "corrupt",
      { cause },
    );
  if (size > KEY_FILE_BYTES_MAX) throw corrupt(`it has ${size} bytes`);
  const pem = await readFile(path, "utf8");
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: "pem" });
  } catch (cause) {
    throw corrupt(`its ${size} bytes are no private key`, cause);
  }
  if (key.asymmetricKeyType !== "ed25519") {
    throw corrupt(`it holds a key of type ${key.asymmetricKeyType}`);
  }
  return key;
}

async function writeKey(path: string, options: IdentityOptions): Promise<void> {
  const key = options.random === undefined
    ? generateKeyPairSync("ed25519").privateKey
    : privateKeyObject("ed25519", options.random.bytes(32));
  const pem = key.export({ format: "pem", type: "pkcs8" }) as string;
  // A name that only this process uses: the process id is not enough, two opens may run in one process.
  const beside = `${path}.${randomUUID()}.new`;
  const file = await open(beside, "wx", 0o600);
  try {
    await file.writeFile(Buffer.from(pem));
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await chmod(beside, 0o600);
    // `link` fails where `rename` would replace: the first of two starts wins, the second uses its key.
    await link(beside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await unlink(beside);
  }
  await syncDirectory(options.directory);
}

async function syncDirectory(directory: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  const folder = await open(directory, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
