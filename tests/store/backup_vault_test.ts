import assert from "node:assert/strict";
import { join } from "node:path";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { nodeSigner } from "../../platform/node_signer.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { keysOf, sealPiece } from "../../protocols/backup/keys.ts";
import { encodeVersion } from "../../protocols/backup/wire.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import { type BackupVault, openBackupVault, type VaultOptions } from "../../store/backup_vault.ts";
import { manualClock } from "../gateway/gateway_fixture.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const random = systemRandom();
const keys = keysOf(crypto, new Uint8Array(32).fill(3));
const signer = nodeSigner(new Uint8Array(32).fill(1));
const DAY_MS = 86_400_000;

function piece(text: string) {
  return sealPiece(crypto, keys, new TextEncoder().encode(text));
}

function versionOf(names: readonly ContentHash[], timeMs = 0) {
  const salt = new Uint8Array(16);
  const open = {
    version: 1 as const,
    device: signer.publicKey,
    kdf: { n: 2 ** 14, r: 8, p: 1, salt },
    check: keys.check,
    timeMs,
    bytes: 1,
    files: 1,
    names: [...names].sort(),
  };
  return encodeVersion({ crypto, random, signer, keys }, open, { indexBytes: 0, index: [] });
}

async function withVault(
  test: (parts: {
    vault: BackupVault;
    directory: string;
    clock: ReturnType<typeof manualClock>;
    reopen: () => BackupVault;
  }) => Promise<void>,
  options: Partial<VaultOptions> = {},
): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "submind-vault-" });
  const clock = manualClock();
  const open = () =>
    openBackupVault({
      directory,
      crypto,
      clock,
      bytesPerDeviceMax: 1_000_000,
      versionsMax: 2,
      ...options,
    });
  try {
    await test({ vault: open(), directory, clock, reopen: open });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

async function put(vault: BackupVault, text: string): Promise<ContentHash> {
  const { reference, sealed } = piece(text);
  const outcome = await vault.putPiece("laptop", reference.name, sealed);
  assert.equal(outcome.type, "done", JSON.stringify(outcome));
  return reference.name;
}

Deno.test("a version counts when all it names is there, and survives a restart", () =>
  withVault(async ({ vault, reopen }) => {
    const [one, two] = [piece("one").reference.name, piece("two").reference.name];
    assert.deepEqual(await vault.missing("laptop", [one, two]), {
      type: "done",
      value: [one, two],
    });
    await put(vault, "one");
    const early = await vault.commit("laptop", versionOf([one, two]));
    assert(early.type === "refused" && early.message.includes(two), JSON.stringify(early));
    await put(vault, "two");
    const committed = await vault.commit("laptop", versionOf([one, two], 42));
    assert(committed.type === "done");
    assert.deepEqual([committed.value.version, committed.value.timeMs], [1, 42]);
    const again = reopen();
    const kept = await again.kept("laptop");
    assert(kept.type === "done");
    assert.deepEqual(kept.value.versions, [committed.value]);
    const bytes = await vault.kept("laptop");
    assert(bytes.type === "done");
    assert.equal(kept.value.bytes, bytes.value.bytes);
    assert.deepEqual(await again.devices(), ["laptop"]);
  }));

Deno.test("a piece under another name than its hash is refused by name", () =>
  withVault(async ({ vault }) => {
    const { reference, sealed } = piece("one");
    sealed[0]! ^= 1;
    const outcome = await vault.putPiece("laptop", reference.name, sealed);
    assert(outcome.type === "refused" && outcome.reason === "invalid");
    assert.match(outcome.message, new RegExp(reference.name));
  }));

Deno.test("the quota holds, also for pieces that come at once, and says what to do", () =>
  withVault(async ({ vault }) => {
    const pieces = ["a", "b", "c", "d"].map((letter) => piece(letter.repeat(100)));
    const outcomes = await Promise.all(
      pieces.map(({ reference, sealed }) => vault.putPiece("laptop", reference.name, sealed)),
    );
    const refused = outcomes.filter((each) => each.type === "refused");
    assert.equal(refused.length, 2);
    assert(refused[0]?.type === "refused" && refused[0].reason === "quotaExceeded");
    assert.match(refused[0].message, /bytesPerDeviceMax/);
    const other = await vault.putPiece("phone", pieces[0]!.reference.name, pieces[0]!.sealed);
    assert.equal(other.type, "done", "each device has its own");
  }, { bytesPerDeviceMax: 250 }));

Deno.test("the same piece brought twice at once is counted once", () =>
  withVault(async ({ vault }) => {
    const { reference, sealed } = piece("x");
    await Promise.all([1, 2, 3].map(() => vault.putPiece("laptop", reference.name, sealed)));
    const kept = await vault.kept("laptop");
    assert(kept.type === "done");
    assert.equal(kept.value.bytes, sealed.length);
  }));

Deno.test("old versions go, and what only they named goes once no upload can need it", () =>
  withVault(async ({ vault, clock }) => {
    const names = [];
    for (const text of ["one", "two", "three"]) {
      names.push(await put(vault, text));
      clock.advance(2 * DAY_MS);
      const outcome = await vault.commit("laptop", versionOf([names.at(-1)!]));
      assert.equal(outcome.type, "done");
    }
    const kept = await vault.kept("laptop");
    assert(kept.type === "done");
    assert.deepEqual(kept.value.versions.map(({ version }) => version), [2, 3]);
    assert.deepEqual(await vault.missing("laptop", names), { type: "done", value: [names[0]] });
    assert.equal((await vault.version("laptop", 1)).type, "refused");

    const uploading = await put(vault, "of an upload that is under way");
    await vault.commit("laptop", versionOf([names[2]!]));
    assert.deepEqual(await vault.missing("laptop", [uploading]), { type: "done", value: [] });
  }));

Deno.test("a piece that is damaged on the disk is named, thrown away and asked for again", () =>
  withVault(async ({ vault, directory }) => {
    const name = await put(vault, "one");
    const path = join(directory, "laptop", "pieces", name.slice(0, 2), name);
    const bytes = Deno.readFileSync(path);
    bytes[3]! ^= 1;
    Deno.writeFileSync(path, bytes);
    const outcome = await vault.piece("laptop", name);
    assert(outcome.type === "refused" && outcome.message.includes(name));
    assert.deepEqual(await vault.missing("laptop", [name]), { type: "done", value: [name] });
  }));

Deno.test("what a crash left half written counts for nothing", () =>
  withVault(async ({ vault, directory, reopen }) => {
    const name = await put(vault, "one");
    await vault.commit("laptop", versionOf([name]));
    const folder = join(directory, "laptop");
    Deno.writeTextFileSync(join(folder, "pieces", name.slice(0, 2), `${name}.7.new`), "half");
    Deno.writeTextFileSync(join(folder, "versions", "2"), "half");
    Deno.writeTextFileSync(join(folder, "versions", "3.0.new"), "half");
    const kept = await reopen().kept("laptop");
    assert(kept.type === "done");
    assert.deepEqual(kept.value.versions.map(({ version }) => version), [1]);
    assert.equal(kept.value.bytes, piece("one").sealed.length);
  }));

Deno.test("names that lead out of the folder are refused", () =>
  withVault(async ({ vault }) => {
    for (const device of ["..", "a/b", "Laptop", ""]) {
      const outcome = await vault.kept(device);
      assert(outcome.type === "refused" && outcome.reason === "invalid", device);
    }
  }));
