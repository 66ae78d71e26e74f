/**
 * Bearer tokens: JSON Web Tokens (RFC 7519) signed with HS256 under a secret that lies in `keys/token.secret` and never
 * leaves the machine. The algorithm is pinned, so a token cannot choose how it is checked.
 */
import { errors, jwtVerify, SignJWT } from "jose";
import type { Clock, Random } from "../platform/ports.ts";

/** What a token may do: `read` only looks, `backup` only keeps and fetches the backups of its subject, `full` may do everything the owner may. */
export const SCOPES = ["read", "backup", "full"] as const;
export type Scope = typeof SCOPES[number];

/** Who a request comes from. */
export interface Principal {
  /** "owner" for the person at this machine, else the name the token was minted for. */
  readonly subject: string;
  /** `sensor`: a sensor with its own password, for its own readings; no token has it. */
  readonly scope: Scope | "sensor";
}

export type TokenVerdict =
  | { readonly type: "valid"; readonly principal: Principal; readonly expiresAtMs: number }
  | { readonly type: "invalid"; readonly reason: string };

export interface MintOptions {
  /** 1–64 visible ASCII characters. */
  readonly subject: string;
  readonly scope: Scope;
  /** At most 366 days. */
  readonly validMs: number;
}

export interface Tokens {
  mint(options: MintOptions): Promise<string>;
  verify(token: string): Promise<TokenVerdict>;
  /** Replaces the secret: every token minted before is worthless from now on. */
  rotate(): Promise<void>;
}

/** The person at this machine. */
export const OWNER = "owner";
const AUDIENCE = "submind gateway";
const ISSUER = "submind";
const SECRET_BYTES = 32;
const VALID_MS_MAX = 366 * 86_400_000;
const TOKEN_CHARACTERS_MAX = 2_048;
/** How long a secret is used before the file is looked at again: a rotation elsewhere is noticed within this, ms. */
const SECRET_CACHED_MS = 1_000;
/** Verified tokens remembered: the dashboard asks often with the same one, and a signature costs more than an answer. */
const VERIFIED_MAX = 256;

interface Secret {
  readonly key: Uint8Array<ArrayBuffer>;
  readonly kid: string;
}

/** Thrown when the secret cannot be read or written; says what to do. */
export class TokenSecretError extends Error {
  override readonly name = "TokenSecretError";
}

async function secretOf(key: Uint8Array<ArrayBuffer>): Promise<Secret> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", key));
  return { key, kid: hash.toHex().slice(0, 16) };
}

async function readSecret(path: string): Promise<Secret | undefined> {
  let key: Uint8Array<ArrayBuffer>;
  try {
    const info = await Deno.stat(path);
    // Someone who copied the file in may have left it readable to others: closing it again is always right.
    if (info.mode !== null && (info.mode & 0o077) !== 0) await Deno.chmod(path, 0o600);
    key = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new TokenSecretError(
      `Cannot read token secret "${path}"; check that this user owns the file`,
      { cause: error },
    );
  }
  if (key.length !== SECRET_BYTES) {
    throw new TokenSecretError(
      `Cannot use token secret "${path}": it has ${key.length} bytes, expected ${SECRET_BYTES}; ` +
        `remove the file to have a new one made (tokens given out before stop working)`,
    );
  }
  return await secretOf(key);
}

/** Writes a fresh secret beside `path` and moves it there, so that a crash leaves the old one or the new one. */
async function writeSecret(path: string, random: Random, replace: boolean): Promise<void> {
  const beside = `${path}.${random.bytes(8).toHex()}`;
  const options = { write: true, createNew: true, mode: 0o600 };
  const file = await Deno.open(beside, options);
  try {
    const bytes = random.bytes(SECRET_BYTES);
    for (let written = 0; written < bytes.length;) {
      written += await file.write(bytes.subarray(written));
    }
    await file.sync();
  } finally {
    file.close();
  }
  try {
    // A link fails when another process made the secret first, and then theirs counts; a rename replaces.
    if (replace) await Deno.rename(beside, path);
    else await Deno.link(beside, path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  } finally {
    await Deno.remove(beside).catch(() => {});
  }
}

/**
 * Opens the tokens of a node, making the secret (32 random bytes, mode 0600) when there is none. Several processes may open
 * the same directory: they share the secret.
 *
 * @param directory the data folder; the secret is `<directory>/keys/token.secret`
 * @throws {TokenSecretError}
 */
export async function openTokens(
  { directory, clock, random }: {
    readonly directory: string;
    readonly clock: Clock;
    readonly random: Random;
  },
): Promise<Tokens> {
  const folder = `${directory}/keys`;
  const path = `${folder}/token.secret`;
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });

  async function load(): Promise<Secret> {
    const found = await readSecret(path);
    if (found !== undefined) return found;
    await writeSecret(path, random, false);
    const made = await readSecret(path);
    if (made === undefined) throw new TokenSecretError(`Cannot keep token secret "${path}"`);
    return made;
  }

  let secret = await load();
  let loadedAtMs = clock.monotonicMs();
  /** Tokens that were valid under `secret`; they still are until they expire. */
  const verified = new Map<string, Extract<TokenVerdict, { type: "valid" }>>();

  async function reload(): Promise<void> {
    const loaded = await load();
    if (loaded.kid !== secret.kid) verified.clear();
    secret = loaded;
    loadedAtMs = clock.monotonicMs();
  }

  async function current(): Promise<Secret> {
    if (clock.monotonicMs() - loadedAtMs >= SECRET_CACHED_MS) await reload();
    return secret;
  }

  function remember(token: string, verdict: Extract<TokenVerdict, { type: "valid" }>): void {
    if (verified.size >= VERIFIED_MAX) verified.clear();
    verified.set(token, verdict);
  }

  return {
    async mint({ subject, scope, validMs }) {
      if (!/^[\x21-\x7e]{1,64}$/.test(subject)) {
        throw new RangeError(
          `Cannot mint a token: subject ${JSON.stringify(subject)}, expected 1 to 64 ASCII`,
        );
      }
      if (!(validMs > 0 && validMs <= VALID_MS_MAX)) {
        throw new RangeError(
          `Cannot mint a token: validMs is ${validMs}, expected 1 to ${VALID_MS_MAX}`,
        );
      }
      const { key, kid } = await current();
      const nowMs = clock.wallMs();
      return await new SignJWT({ scope })
        .setProtectedHeader({ alg: "HS256", kid, typ: "JWT" })
        .setIssuer(ISSUER).setAudience(AUDIENCE).setSubject(subject)
        .setJti(random.bytes(16).toHex())
        .setIssuedAt(Math.floor(nowMs / 1_000))
        .setExpirationTime(Math.ceil((nowMs + validMs) / 1_000))
        .sign(key);
    },

    async verify(token) {
      if (token.length > TOKEN_CHARACTERS_MAX) {
        return { type: "invalid", reason: "the token is too long" };
      }
      const { key, kid } = await current();
      const known = verified.get(token);
      if (known !== undefined && clock.wallMs() < known.expiresAtMs) return known;
      try {
        const { payload, protectedHeader } = await jwtVerify(token, key, {
          algorithms: ["HS256"],
          audience: AUDIENCE,
          issuer: ISSUER,
          requiredClaims: ["sub", "exp", "scope"],
          currentDate: new Date(clock.wallMs()),
        });
        if (protectedHeader.kid !== kid) return { type: "invalid", reason: "the key is unknown" };
        const { sub, scope, exp } = payload;
        const known = SCOPES.find((each) => each === scope);
        if (typeof sub !== "string" || known === undefined) {
          return { type: "invalid", reason: "the claims are not of this gateway" };
        }
        const verdict = {
          type: "valid",
          principal: { subject: sub, scope: known },
          expiresAtMs: (exp ?? 0) * 1_000,
        } as const;
        // A rotation while this was checked makes the verdict one of the old secret.
        if (secret.kid === kid) remember(token, verdict);
        return verdict;
      } catch (error) {
        if (error instanceof errors.JWTExpired) {
          return { type: "invalid", reason: "the token has expired; get a new one" };
        }
        if (error instanceof errors.JOSEError) {
          return { type: "invalid", reason: "the token is not one of this node" };
        }
        throw error;
      }
    },

    async rotate() {
      await writeSecret(path, random, true);
      await reload();
    },
  };
}
