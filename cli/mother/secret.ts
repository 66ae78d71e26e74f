/** The secret of a device's backups: from a passphrase, from a recovery key that is shown once, or kept from the last time. */
import * as clack from "@clack/prompts";
import { entropyToMnemonic, validateMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { join } from "node:path";
import { z } from "zod";
import type { Crypto } from "../../platform/ports.ts";
import { KDF_COST, type KeyDerivation, type VersionBody } from "../../protocols/backup/format.ts";
import { keysOf, normalizedPassphrase, secretOf } from "../../protocols/backup/keys.ts";
import { equalBytes } from "../../protocols/codec.ts";
import type { CommandContext } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { firstLine } from "./open.ts";

/** Lies beside the device's own key: whoever can read it can read the data itself. */
const KEY_FILE = "backup.json";
const PASSPHRASE_CHARACTERS_MIN = 10;
/** 128 bits, as twelve words. */
const RECOVERY_KEY_BYTES = 16;

export interface BackupSecret {
  readonly kdf: KeyDerivation;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

export interface SecretArguments {
  readonly passphraseFile: string | undefined;
  readonly recoveryKey: boolean;
}

const keyFileSchema = z.strictObject({
  version: z.literal(1),
  n: z.int(),
  r: z.literal(8),
  p: z.literal(1),
  salt: z.base64(),
  secret: z.base64(),
});

function usage(message: string, hint: string): CliError {
  return new CliError(message, { code: "usage", exitCode: EXIT.usage, hint });
}

function readKeyFile(context: CommandContext, path: string): BackupSecret | null {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  const parsed = keyFileSchema.safeParse(jsonOrNull(text));
  if (!parsed.success) {
    const { badKeyFile, badKeyFileHint } = context.texts.mother;
    throw new CliError(badKeyFile(path), {
      code: "failed",
      exitCode: EXIT.failed,
      hint: badKeyFileHint,
    });
  }
  const { n, r, p, salt, secret } = parsed.data;
  return {
    kdf: { n, r, p, salt: Uint8Array.fromBase64(salt) },
    secret: Uint8Array.fromBase64(secret),
  };
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function writeKeyFile(path: string, { kdf, secret }: BackupSecret): void {
  const value = { version: 1, ...kdf, salt: kdf.salt.toBase64(), secret: secret.toBase64() };
  Deno.writeTextFileSync(`${path}.new`, `${JSON.stringify(value)}\n`, { mode: 0o600 });
  Deno.renameSync(`${path}.new`, path);
}

/** A recovery key is typed in any case and with any spaces. */
function meant(text: string): string {
  const plain = normalizedPassphrase(text);
  const words = plain.toLowerCase();
  return validateMnemonic(words, wordlist) ? words : plain;
}

function given(context: CommandContext, { passphraseFile }: SecretArguments): string | null {
  const text = passphraseFile === undefined
    ? context.environment["SUBMIND_BACKUP_PASSPHRASE"] ?? ""
    : firstLine(context, passphraseFile);
  return text === "" ? null : meant(text);
}

async function ask(context: CommandContext, question: string): Promise<string | null> {
  if (!context.output.terminal.inIsTerminal || context.output.json) return null;
  const answer = await clack.password({ message: question, signal: context.interrupted });
  if (!clack.isCancel(answer)) return meant(answer ?? "");
  const options = { code: "interrupted", exitCode: EXIT.interrupted } as const;
  throw new CliError(context.texts.interrupted, options);
}

function derived(passphrase: string, kdf: KeyDerivation): BackupSecret {
  return { kdf, secret: secretOf(passphrase, kdf) };
}

function fresh(context: CommandContext): KeyDerivation {
  return { ...KDF_COST, salt: context.random.bytes(16) };
}

/** Draws a recovery key and shows it: before anything depends on it, so that it cannot be lost in between. */
function drawn(context: CommandContext): BackupSecret {
  const words = entropyToMnemonic(context.random.bytes(RECOVERY_KEY_BYTES), wordlist);
  context.output.event(
    { type: "recoveryKey", recoveryKey: words },
    () => `${context.texts.mother.recoveryKey}\n\n  ${words}\n`,
  );
  return derived(words, fresh(context));
}

function fits(crypto: Crypto, { secret }: BackupSecret, version: VersionBody): boolean {
  return equalBytes(keysOf(crypto, secret).check, version.check);
}

function wrong(context: CommandContext): CliError {
  const { wrongPassphrase, wrongPassphraseHint } = context.texts.mother;
  return new CliError(wrongPassphrase, {
    code: "wrongPassphrase",
    exitCode: EXIT.refused,
    hint: wrongPassphraseHint,
  });
}

/**
 * The secret to make backups with, kept in `keys/backup.json` from then on, so that later backups need nobody at the keyboard.
 *
 * @param newest the newest backup that the keeper has; null when there is none
 * @throws {CliError} "wrongPassphrase" when another one was used before
 */
export async function secretForBackup(
  context: CommandContext,
  { dataDirectory, crypto, newest, found }: {
    readonly dataDirectory: string;
    readonly crypto: Crypto;
    readonly newest: VersionBody | null;
    readonly found: SecretArguments;
  },
): Promise<BackupSecret> {
  const path = join(dataDirectory, "keys", KEY_FILE);
  const kept = found.recoveryKey ? null : readKeyFile(context, path);
  if (kept !== null) {
    const passphrase = given(context, found);
    if (passphrase === null) return kept;
    if (equalBytes(secretOf(passphrase, kept.kdf), kept.secret)) return kept;
    throw wrong(context);
  }
  const secret = await chosen(context, { crypto, newest, found });
  writeKeyFile(path, secret);
  return secret;
}

async function chosen(
  context: CommandContext,
  { crypto, newest, found }: {
    readonly crypto: Crypto;
    readonly newest: VersionBody | null;
    readonly found: SecretArguments;
  },
): Promise<BackupSecret> {
  const texts = context.texts.mother;
  if (found.recoveryKey) return drawn(context);
  const passphrase = given(context, found) ??
    await ask(context, newest === null ? texts.askPassphrase : texts.askKnown);
  if (passphrase === null) throw usage(texts.noPassphrase, texts.noPassphraseHint);
  if (newest !== null) {
    const known = derived(passphrase, newest.kdf);
    if (fits(crypto, known, newest)) return known;
    throw wrong(context);
  }
  if (passphrase === "") return drawn(context);
  const length = [...passphrase].length;
  if (length < PASSPHRASE_CHARACTERS_MIN) {
    const problem = texts.shortPassphrase(length, PASSPHRASE_CHARACTERS_MIN);
    throw usage(problem, texts.shortPassphraseHint);
  }
  return derived(passphrase, fresh(context));
}

/**
 * The secret that opens `version`: the one kept here when it fits, else what the person says.
 *
 * @throws {CliError} "wrongPassphrase"
 */
export async function secretForRestore(
  context: CommandContext,
  { dataDirectory, crypto, version, found }: {
    readonly dataDirectory: string;
    readonly crypto: Crypto;
    readonly version: VersionBody;
    readonly found: Pick<SecretArguments, "passphraseFile">;
  },
): Promise<BackupSecret> {
  const texts = context.texts.mother;
  const typed = given(context, { ...found, recoveryKey: false });
  if (typed === null) {
    const kept = readKeyFile(context, join(dataDirectory, "keys", KEY_FILE));
    if (kept !== null && fits(crypto, kept, version)) return kept;
  }
  const passphrase = typed ?? await ask(context, texts.askKnown);
  if (passphrase === null) throw usage(texts.noPassphrase, texts.noPassphraseHint);
  const secret = derived(passphrase, version.kdf);
  if (fits(crypto, secret, version)) return secret;
  throw wrong(context);
}
