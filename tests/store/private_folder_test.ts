import assert from "node:assert/strict";
import { join } from "node:path";
import { makePrivateFolder } from "../../store/private_folder.ts";

const modeOf = (path: string) => (Deno.statSync(path).mode ?? 0) & 0o777;

Deno.test("a new folder is its owner's only, and one that was open is closed", async () => {
  const base = Deno.makeTempDirSync();
  try {
    const made = join(base, "made");
    assert.equal(await makePrivateFolder(made), "private");
    assert.equal(modeOf(made), 0o700);
    Deno.chmodSync(made, 0o755);
    assert.deepEqual(await makePrivateFolder(made), { mode: "755", closed: true });
    assert.equal(modeOf(made), 0o700);
  } finally {
    Deno.removeSync(base, { recursive: true });
  }
});
