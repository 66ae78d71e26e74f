import assert from "node:assert/strict";
import { join } from "node:path";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { systemClock } from "../../platform/system_clock.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import { type BackupVault, openBackupVault } from "../../store/backup_vault.ts";
import { openSqliteStore } from "../../store/sqlite_store.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { type Outcome, type RealGateway, run, withRealGateway } from "./fake_world.ts";
import { skipped } from "../skipped.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const PASSPHRASE = "correct horse battery staple";

interface Mother {
  readonly address: string;
  readonly vault: BackupVault;
  readonly vaultFolder: string;
  readonly device: RealGateway;
  readonly folder: string;
  /** What of the keeper a command needs. */
  readonly to: readonly string[];
  readonly from: readonly string[];
  /** The number of stored values that the store in `data` has. */
  values(data: string): Promise<number>;
  /** Adds data to the device's store. */
  grow(kilobytes: number, seed: string): Promise<void>;
  backup(...more: string[]): Promise<Outcome>;
  /** Restores into a folder of its own. */
  restore(name: string, ...more: string[]): Promise<Outcome & { readonly data: string }>;
}

function noise(kilobytes: number, seed: string): string {
  const random = seededRandom(seed);
  return Array.from({ length: kilobytes }, () => random.bytes(768).toBase64()).join("");
}

/** Two real gateways: of a device with a real store, and of the node that keeps its backups. */
async function withMother(
  test: (parts: Mother) => Promise<void>,
  options: {
    readonly wrap?: (vault: BackupVault) => BackupVault;
    readonly bytesMax?: number;
  } = {},
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "submind-mother-" });
  const vaultFolder = join(folder, "vault");
  const vault = openBackupVault({
    directory: vaultFolder,
    crypto,
    clock: systemClock(),
    bytesPerDeviceMax: options.bytesMax ?? 1_000_000_000,
    versionsMax: 5,
  });
  const wrapped = options.wrap?.(vault) ?? vault;
  const store = await openSqliteStore({ directory: join(folder, "store"), crypto });
  try {
    await withRealGateway(async (keeper) => {
      const tokenFile = join(folder, "token");
      const passphraseFile = join(folder, "passphrase");
      const minted = { subject: "laptop", scope: "backup", validMs: 3_600_000 } as const;
      Deno.writeTextFileSync(tokenFile, `${await keeper.tokens.mint(minted)}\n`);
      Deno.writeTextFileSync(passphraseFile, `${PASSPHRASE}\n`);
      await withRealGateway(async (device) => {
        device.node.backup = async (directory, onProgress) => {
          await store.backup(directory, onProgress);
          return { type: "done", value: null };
        };
        const reach = ["--token-file", tokenFile, "--passphrase-file", passphraseFile];
        const [to, from] = [["--to", keeper.address], ["--from", keeper.address]];
        await test({
          address: keeper.address,
          vault,
          vaultFolder,
          device,
          folder,
          to: [...to, ...reach],
          from: [...from, ...reach],
          async values(data) {
            const restored = await openSqliteStore({ directory: data, crypto });
            const found = await restored.settings.entries("value.");
            await restored.close();
            return new Set([...found].map(([key]) => key.split(".")[1])).size;
          },
          async grow(kilobytes, seed) {
            // Values of a store are limited to 1 MiB.
            for (let n = 0; n * 500 < kilobytes; n++) {
              const value = noise(Math.min(500, kilobytes - n * 500), `${seed} ${n}`);
              await store.settings.set({ [`value.${seed}.${n}`]: value });
            }
          },
          backup: (...more) => device.run(["backup", ...to, ...reach, "--json", ...more]),
          async restore(name, ...more) {
            const data = join(folder, name);
            const args = ["restore", ...from, ...reach, "--yes", "--json", "--data", data];
            return { ...await run([...args, ...more]), data };
          },
        });
      });
    }, { backups: wrapped });
  } finally {
    await store.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("a backup on another node comes back as it was, and only what is new is brought again", () =>
  withMother(async ({ backup, restore, grow, values, device }) => {
    await grow(3_000, "first");
    const first = await backup();
    assert.equal(first.exitCode, 0, first.out + first.err);
    const one = JSON.parse(first.out);
    assert.deepEqual([one.ok, one.device, one.version], [true, "laptop", 1]);
    assert(one.broughtPieces >= 3 && one.broughtPieces === one.pieces, first.out);

    await grow(10, "second");
    const two = JSON.parse((await backup()).out);
    assert.equal(two.version, 2);
    assert(two.broughtPieces < two.pieces, `${two.broughtPieces} of ${two.pieces}`);

    const older = await restore("older", "--backup", "1");
    assert.equal(older.exitCode, 0, older.out);
    assert.equal(await values(older.data), 1);
    const newest = await restore("newest");
    assert.equal(newest.exitCode, 0, newest.out);
    assert.equal(await values(newest.data), 2);
    const left = ["incoming-backup", "outgoing-backup"].filter((name) =>
      [newest.data, device.data].some((data) =>
        [...Deno.readDirSync(data)].some((entry) => entry.name === name)
      )
    );
    assert.deepEqual(left, [], "nothing plain is left behind");
  }));

Deno.test("the keeper holds nothing that it could read", () =>
  withMother(async ({ backup, grow, vaultFolder }) => {
    await grow(300, "secret");
    const known = noise(300, "secret 0").slice(1_000, 1_064);
    assert.equal((await backup()).exitCode, 0);
    let files = 0;
    const look = (folder: string) => {
      for (const { name, isDirectory } of Deno.readDirSync(folder)) {
        const path = join(folder, name);
        if (isDirectory) {
          look(path);
          continue;
        }
        files++;
        const text = new TextDecoder("latin1").decode(Deno.readFileSync(path));
        for (const word of [known, "SQLite format", "manifest.json", "node.db"]) {
          assert(!text.includes(word), `${path} tells ${word}`);
        }
      }
    };
    look(vaultFolder);
    assert(files > 2);
  }));

Deno.test("a changed piece is refused by its name and nothing is restored", () =>
  withMother(async ({ backup, restore, grow, vault, vaultFolder }) => {
    await grow(2_000, "x");
    assert.equal((await backup()).exitCode, 0);
    const pieces = join(vaultFolder, "laptop", "pieces");
    const kept = await vault.kept("laptop");
    assert(kept.type === "done");
    // As a keeper would that lies: the piece goes out as it is.
    const names = [...Deno.readDirSync(pieces)].flatMap(({ name }) =>
      [...Deno.readDirSync(join(pieces, name))].map((file) => file.name)
    );
    const lie = vault.piece;
    const changed = names[0] as ContentHash;
    vault.piece = async (device, name) => {
      const outcome = await lie(device, name);
      if (outcome.type === "done" && name === changed) outcome.value[9]! ^= 1;
      return outcome;
    };
    const outcome = await restore("target");
    assert.equal(outcome.exitCode, 1);
    const { error } = JSON.parse(outcome.out);
    assert.equal(error.code, "damaged");
    assert(error.message.includes(changed), error.message);
    assert(![...Deno.readDirSync(outcome.data)].some(({ name }) => name === "node.db"));
    vault.piece = lie;
    assert.equal((await restore("target")).exitCode, 0, "the rest was kept for the next try");
  }));

Deno.test("a wrong passphrase is said as such, when restoring and when backing up", () =>
  withMother(async ({ backup, folder, device, address }) => {
    const first = await backup();
    assert.equal(first.exitCode, 0, first.out);
    const other = join(folder, "other");
    Deno.writeTextFileSync(other, "incorrect horse battery staple\n");
    const reach = ["--token-file", join(folder, "token"), "--passphrase-file", other];
    const restore = ["restore", "--from", address, ...reach, "--data", join(folder, "target")];
    const wrong = await run(restore);
    assert.equal(wrong.exitCode, 4);
    assert.match(wrong.err, /not the passphrase that the backups were made with/);
    const again = ["backup", "--to", address, ...reach, "--json"];
    assert.equal(JSON.parse((await device.run(again)).out).error.code, "wrongPassphrase");
    // A device whose disk was lost knows the passphrase only.
    Deno.removeSync(join(device.data, "keys", "backup.json"));
    assert.equal(JSON.parse((await device.run(again)).out).error.code, "wrongPassphrase");
  }));

Deno.test("a recovery key is shown once, in the order it was drawn, and opens the backup however it is typed", () =>
  withMother(async ({ device, grow, folder, address, values }) => {
    await grow(10, "x");
    const token = ["--token-file", join(folder, "token")];
    const first = await device.run([
      "backup",
      "--to",
      address,
      ...token,
      "--recovery-key",
      "--json",
    ]);
    const [key, done] = first.out.trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(key.type, "recoveryKey");
    assert.equal(key.recoveryKey.split(" ").length, 12);
    assert.equal(done.version, 1, first.out);
    const second = await device.run(["backup", "--to", address, ...token, "--json"]);
    assert.equal(JSON.parse(second.out).version, 2, "later backups need nobody");
    const typed = join(folder, "typed");
    Deno.writeTextFileSync(typed, `  ${key.recoveryKey.toUpperCase().replaceAll(" ", "   ")}\n`);
    const data = join(folder, "target");
    const restore = ["restore", "--from", address, ...token, "--passphrase-file", typed];
    const restored = await run([...restore, "--data", data]);
    assert.equal(restored.exitCode, 0, restored.err);
    assert.equal(await values(data), 1);
  }));

Deno.test("a backup that was interrupted goes on where it stopped", async () => {
  let puts = 0;
  let onPut = () => {};
  const counting = (vault: BackupVault): BackupVault => ({
    ...vault,
    putPiece(device, name, sealed) {
      puts++;
      onPut();
      return vault.putPiece(device, name, sealed);
    },
  });
  await withMother(async ({ device, to, backup, grow, vault }) => {
    await grow(12_000, "much");
    const stop = new AbortController();
    onPut = () => {
      if (puts === 4) stop.abort();
    };
    const broken = await device.run(["backup", ...to, "--json"], { interrupted: stop.signal });
    assert.equal(broken.exitCode, 130, broken.out);
    const kept = await vault.kept("laptop");
    assert(kept.type === "done" && kept.value.versions.length === 0);
    const before = puts;
    const { pieces, broughtPieces } = JSON.parse((await backup()).out);
    assert.equal(broughtPieces, puts - before);
    assert(broughtPieces <= pieces - 3, `${broughtPieces} of ${pieces}`);
  }, { wrap: counting });
});

Deno.test("a keeper that fails for a while is tried again", async () => {
  let failures = 2;
  const failing = (vault: BackupVault): BackupVault => ({
    ...vault,
    commit(device, encoded) {
      if (failures-- > 0) {
        return Promise.resolve({ type: "refused", reason: "busy" as never, message: "later" });
      }
      return vault.commit(device, encoded);
    },
  });
  await withMother(async ({ backup }) => {
    const outcome = await backup();
    assert.equal(outcome.exitCode, 0, outcome.out);
    assert.equal(failures, -1);
  }, { wrap: failing });
});

Deno.test("the quota and tokens of others are refused in words", () =>
  withMother(async ({ backup, grow, device, folder, address, restore }) => {
    assert.match(JSON.parse((await restore("none")).out).error.message, /no backup of "laptop"/);
    await grow(1_000, "x");
    const full = JSON.parse((await backup()).out).error;
    assert.equal(full.code, "quotaExceeded");
    assert.match(full.message, /bytesPerDeviceMax/);
    const other = await device.run([
      ...["backup", "--to", address, "--token-file", join(folder, "token"), "--json"],
      ...["--passphrase-file", join(folder, "passphrase"), "--device", "phone"],
    ]);
    assert.match(JSON.parse(other.out).error.message, /for "laptop", not for "phone"/);
  }, { bytesMax: 100_000 }));

Deno.test("an address without TLS elsewhere, a missing token and a missing passphrase say what to do", () =>
  withMother(async ({ device, address, folder }) => {
    const plain = await device.run(["backup", "--to", "http://192.0.2.1:7463"]);
    assert.equal(plain.exitCode, 2);
    assert.match(plain.err, /https:\/\/NAME:PORT/);
    const tokenless = await device.run(["backup", "--to", address]);
    assert.match(tokenless.err, /submind token NAME --scope backup/);
    const token = ["--token-file", join(folder, "token")];
    const silent = await device.run(["backup", "--to", address, ...token]);
    assert.equal(silent.exitCode, 2);
    assert.match(silent.err, /--recovery-key/);
    const short = join(folder, "short");
    Deno.writeTextFileSync(short, "abc\n");
    const weak = await device.run([
      "backup",
      "--to",
      address,
      ...token,
      "--passphrase-file",
      short,
    ]);
    assert.match(weak.err, /3 characters, expected at least 10/);
    const list = await run(["restore", "--from", address, ...token, "--list"]);
    assert.equal(list.exitCode, 0, list.err);
    assert.match(list.out, /There is no backup of "laptop"/);
  }));

Deno.test("a token for backups opens nothing else, and nothing of others", () =>
  withMother(async ({ address, folder, backup }) => {
    assert.equal((await backup()).exitCode, 0);
    const token = Deno.readTextFileSync(join(folder, "token")).trim();
    const status = async (path: string) => {
      const response = await fetch(address + path, {
        headers: { Authorization: `Bearer ${token}` },
      });
      await response.body?.cancel();
      return response.status;
    };
    for (const path of ["/v1/status", "/v1/blocks", "/metrics", "/", "/v1/backups/phone"]) {
      assert.equal(await status(path), 403, path);
    }
    assert.equal(await status("/v1/backups"), 200);
    assert.equal(await status("/v1/backups/laptop/versions/1"), 200);
    assert.equal(await status("/v1/backups/laptop/versions/2"), 404);
    assert.equal(await status(`/v1/backups/laptop/pieces/${"0".repeat(64)}`), 404);
  }));

/** A certificate of its own making, as PEM texts; null where the openssl program is missing. */
function selfSigned(): { readonly certificate: string; readonly key: string } | null {
  const folder = Deno.makeTempDirSync({ prefix: "submind-tls-" });
  try {
    const [key, certificate] = [join(folder, "key"), join(folder, "certificate")];
    const { success } = new Deno.Command("openssl", {
      args: [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
        ...["-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=localhost"],
        ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        ...["-addext", "basicConstraints=critical,CA:FALSE"],
      ],
      stdout: "null",
      stderr: "null",
    }).outputSync();
    if (!success) return null;
    return { certificate: Deno.readTextFileSync(certificate), key: Deno.readTextFileSync(key) };
  } catch {
    return null;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const tls = selfSigned();

Deno.test({
  name: "a keeper with a certificate of its own making is trusted when it is named, and only then",
  ignore: skipped(
    "backups over TLS",
    tls === null ? "no openssl program to make a certificate" : null,
  ),
  async fn() {
    assert(tls !== null);
    const folder = Deno.makeTempDirSync();
    const vault = openBackupVault({
      directory: join(folder, "vault"),
      crypto,
      clock: systemClock(),
      bytesPerDeviceMax: 1_000_000,
      versionsMax: 1,
    });
    try {
      await withRealGateway(async ({ address, tokens, data }) => {
        assert.match(address, /^https:/);
        const minted = { subject: "laptop", scope: "backup", validMs: 60_000 } as const;
        const [token, ca] = [join(folder, "token"), join(folder, "ca")];
        Deno.writeTextFileSync(token, await tokens.mint(minted));
        Deno.writeTextFileSync(ca, tls.certificate);
        const list = ["restore", "--from", address, "--token-file", token, "--list", "--json"];
        const named = await run([...list, "--ca", ca, "--data", data]);
        assert.deepEqual(JSON.parse(named.out).versions, []);
        const stranger = JSON.parse((await run([...list, "--data", data])).out);
        assert.equal(stranger.error.code, "notRunning");
      }, { backups: vault, tls });
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
