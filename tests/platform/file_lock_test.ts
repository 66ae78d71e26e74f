/** A file lock is held by one, names its holder, and is given back. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { lockFile } from "../../platform/file_lock.ts";

Deno.test("a file lock refuses the second, says who holds it, and can be taken again", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = join(directory, "lock");
    const first = await lockFile(path);
    assert.equal(first.type, "locked");
    assert.deepEqual(await lockFile(path), { type: "busy", pid: Deno.pid });
    if (first.type === "locked") {
      first.lock.release();
      first.lock.release();
    }
    const again = await lockFile(path);
    assert.equal(again.type, "locked");
    if (again.type === "locked") again.lock.release();
    await assert.rejects(lockFile(join(directory, "no/folder/lock")), Deno.errors.NotFound);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
