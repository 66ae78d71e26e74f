import assert from "node:assert/strict";
import { join } from "node:path";
import {
  carryOutLeaving,
  forgetLeaving,
  leftMeshFolder,
  meshesToBring,
  noteLeaving,
  readBringProgress,
} from "../../deployments/leaving.ts";
import { lockFile } from "../../platform/file_lock.ts";
import type { MeshId } from "../../protocols/ids.ts";

const MESH = "0123456789abcdef".repeat(4) as MeshId;
const SETTINGS = { interest: { topics: ["a"], bodyBytesMax: 5 } };

async function withData(test: (data: string, folder: string) => Promise<void>): Promise<void> {
  const data = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(data, "blobs", "aa"), { recursive: true });
    await Deno.writeTextFile(join(data, "blobs", "aa", "chunk"), "chunk");
    await Deno.writeTextFile(join(data, "node.db"), "old");
    await Deno.writeTextFile(join(data, "node.db-wal"), "wal");
    await Deno.mkdir(join(data, "keys"));
    await Deno.writeTextFile(join(data, "keys", "identity.pem"), "key");
    await test(data, leftMeshFolder(data, MESH));
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

const read = (...path: string[]) => Deno.readTextFile(join(...path));

function assertMoved(data: string, folder: string): void {
  assert.equal(Deno.readTextFileSync(join(folder, "node.db")), "old");
  assert.equal(Deno.readTextFileSync(join(folder, "node.db-wal")), "wal");
  assert.equal(Deno.readTextFileSync(join(folder, "blobs", "aa", "chunk")), "chunk");
  assert.throws(() => Deno.statSync(join(data, "node.db-wal")), Deno.errors.NotFound);
  assert.equal(Deno.readTextFileSync(join(data, "keys", "identity.pem")), "key");
}

Deno.test("without a note nothing moves", () =>
  withData(async (data) => {
    assert.equal(await carryOutLeaving(data), null);
    assert.equal(await read(data, "node.db"), "old");
    assert.deepEqual(await meshesToBring(data), []);
  }));

Deno.test("leaving moves the store aside, keeps keys and hands the device's settings on", () =>
  withData(async (data, folder) => {
    await noteLeaving(data, { mesh: MESH, bring: true, settings: SETTINGS });
    assert.deepEqual(await carryOutLeaving(data), SETTINGS);
    assertMoved(data, folder);
    assert.deepEqual(await meshesToBring(data), [folder]);
    assert.equal((await readBringProgress(folder))?.sequence, 0);
    await forgetLeaving(data);
    assert.equal(await carryOutLeaving(data), null);
  }));

Deno.test("without bringing nothing waits to be brought", () =>
  withData(async (data, folder) => {
    await noteLeaving(data, { mesh: MESH, bring: false, settings: {} });
    await carryOutLeaving(data);
    assertMoved(data, folder);
    assert.deepEqual(await meshesToBring(data), []);
  }));

for (const done of [["blobs"], ["blobs", "node.db-wal"]]) {
  Deno.test(`a crash after ${done.join(" and ")} moved is continued by the next start`, () =>
    withData(async (data, folder) => {
      await noteLeaving(data, { mesh: MESH, bring: true, settings: SETTINGS });
      await Deno.mkdir(folder, { recursive: true });
      for (const name of done) await Deno.rename(join(data, name), join(folder, name));
      assert.deepEqual(await carryOutLeaving(data), SETTINGS);
      assertMoved(data, folder);
      assert.deepEqual(await meshesToBring(data), [folder]);
    }));
}

Deno.test("a crash before the note was removed never moves the new store over the old one", () =>
  withData(async (data, folder) => {
    await noteLeaving(data, { mesh: MESH, bring: true, settings: SETTINGS });
    await carryOutLeaving(data);
    await Deno.writeTextFile(join(data, "node.db"), "new");
    assert.deepEqual(await carryOutLeaving(data), SETTINGS);
    assertMoved(data, folder);
    assert.equal(await read(data, "node.db"), "new");
  }));

Deno.test("nothing moves while another process holds the folder", () =>
  withData(async (data) => {
    await noteLeaving(data, { mesh: MESH, bring: true, settings: {} });
    const outcome = await lockFile(join(data, "lock"));
    assert(outcome.type === "locked");
    try {
      assert.equal(await carryOutLeaving(data), null);
      assert.equal(await read(data, "node.db"), "old");
    } finally {
      outcome.lock.release();
    }
  }));

Deno.test("a note that is not ours stops the start instead of being guessed at", () =>
  withData(async (data) => {
    await Deno.writeTextFile(join(data, "leaving.json"), '{"version":2}');
    await assert.rejects(carryOutLeaving(data), /leaving\.json.*remove it to stay in the mesh/);
    assert.equal(await read(data, "node.db"), "old");
  }));

Deno.test("damaged progress starts bringing from the beginning", () =>
  withData(async (data, folder) => {
    await noteLeaving(data, { mesh: MESH, bring: true, settings: {} });
    await carryOutLeaving(data);
    await Deno.writeTextFile(join(folder, "bring.json"), "{");
    assert.equal((await readBringProgress(folder))?.sequence, 0);
  }));
