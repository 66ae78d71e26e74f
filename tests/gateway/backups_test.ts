import assert from "node:assert/strict";
import { SEALED_PIECE_BYTES_MAX } from "../../protocols/backup/format.ts";
import { sha256Hex } from "../../store/hash.ts";
import { openBackupVault } from "../../store/backup_vault.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { type Fixture, withGateway } from "./gateway_fixture.ts";

type Mother = Fixture & { readonly token: string };

async function withMother(
  test: (mother: Mother) => Promise<void>,
  backupRequestsPerMinute = 1_000,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "submind-mother-" });
  const backups = openBackupVault({
    directory,
    crypto: nodeCrypto({ workersMax: 0 }),
    clock: systemClock(),
    bytesPerDeviceMax: 10_000_000,
    versionsMax: 2,
  });
  try {
    await withGateway(
      async (fixture) => await test({ ...fixture, token: await fixture.mint("laptop", "backup") }),
      { limits: { backupRequestsPerMinute }, backups },
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function put(bytes: Uint8Array<ArrayBuffer>, name = sha256Hex(bytes)) {
  const headers = { "Content-Type": "application/octet-stream" };
  return [`/v1/backups/laptop/pieces/${name}`, { method: "PUT", headers, body: bytes }] as const;
}

Deno.test("pieces are asked about, brought, and come back byte by byte", () =>
  withMother(async ({ request, token }) => {
    const bytes = Uint8Array.from({ length: 5_000 }, (_, i) => i % 251);
    const name = sha256Hex(bytes);
    const missing = async () => {
      const json = { pieces: [name] };
      const path = "/v1/backups/laptop/missing";
      return (await (await request(path, { method: "POST", json, token })).json()).missing;
    };
    assert.deepEqual(await missing(), [name]);
    const [path, init] = put(bytes);
    assert.deepEqual(await (await request(path, { ...init, token })).json(), { added: true });
    assert.deepEqual(await (await request(path, { ...init, token })).json(), { added: false });
    assert.deepEqual(await missing(), []);
    const back = await request(path, { token });
    assert.deepEqual(await back.bytes(), bytes);
    assert.equal(back.headers.get("Content-Disposition"), "attachment");
    const kept = await (await request("/v1/backups", { token })).json();
    assert.deepEqual([kept.device, kept.devices[0].bytes], ["laptop", 5_000]);
    const owner = await (await request("/v1/backups")).json();
    assert.deepEqual([owner.device, owner.devices.length], [null, 1]);
  }));

Deno.test("what is too large, wrongly named or no version is refused before it is kept", () =>
  withMother(async ({ request, token }) => {
    const small = new Uint8Array(10);
    const reason = async (path: string, init: RequestInit & { json?: unknown }) => {
      const response = await request(path, { ...init, token });
      const { reason } = await response.json();
      return [response.status, reason];
    };
    const [large, upload] = put(new Uint8Array(SEALED_PIECE_BYTES_MAX + 1));
    assert.deepEqual(await reason(large, upload), [413, "tooLarge"]);
    const [lie, wrong] = put(small, "0".repeat(64));
    assert.deepEqual(await reason(lie, wrong), [400, "invalid"]);
    const [short] = put(small, "0".repeat(63));
    assert.deepEqual(await reason(short, wrong), [400, "invalid"]);
    const version = { ...wrong, method: "POST" };
    assert.deepEqual(await reason("/v1/backups/laptop/versions", version), [400, "invalid"]);
    const many = { method: "POST", json: { pieces: Array(513).fill("0".repeat(64)) } };
    assert.deepEqual(await reason("/v1/backups/laptop/missing", many), [400, "invalid"]);
    assert.deepEqual(await reason("/v1/backups/..%2Fx", {}), [400, "invalid"]);
    const quota = { device: "laptop", bytes: 0, bytesMax: 10_000_000, versions: [] };
    assert.deepEqual(await (await request("/v1/backups/laptop", { token })).json(), quota);
  }));

Deno.test("a token for backups has a limit of its own", () =>
  withMother(async ({ request, token }) => {
    const statuses = [];
    for (let n = 0; n < 4; n++) {
      const response = await request("/v1/backups", { token });
      statuses.push(response.status);
      await response.body?.cancel();
    }
    assert.deepEqual(statuses, [200, 200, 200, 429]);
    assert.equal((await request("/v1/backups")).status, 200, "others are not held up");
  }, 3));

Deno.test("a node that keeps no backups says how to let it", () =>
  withGateway(async ({ request }) => {
    const response = await request("/v1/backups");
    assert.equal(response.status, 404);
    assert.match((await response.json()).detail, /backups\.bytesPerDeviceMax/);
  }));
