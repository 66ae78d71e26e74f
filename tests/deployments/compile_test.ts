import assert from "node:assert/strict";
import { join } from "node:path";
import { skipped } from "../skipped.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/**
 * The runtime that `deno compile` puts in front (denort) is fetched from Deno's own host, which tests do not do. With another executable in its
 * place everything is embedded all the same; only running the result is not possible.
 */
Deno.test({
  name: "compiling embeds the whole program, its worker, its pages and the native library",
  ignore: skipped("compiling", Deno.build.os === "linux" ? null : "needs Linux"),
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const output = join(folder, "submind");
      const { success, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--allow-all", "deployments/compile.ts", "--output", output],
        cwd: ROOT,
        env: { DENORT_BIN: "/bin/true" },
      }).output();
      assert(success, new TextDecoder().decode(stderr));
      const bytes = await Deno.readFile(output);
      const runtime = await Deno.readFile("/bin/true");
      assert(bytes.length > runtime.length + 10_000_000, `${bytes.length} bytes`);
      assert(((await Deno.stat(output)).mode ?? 0) & 0o100, "executable");
      const embedded = new TextDecoder("latin1").decode(bytes);
      for (
        const part of [
          "deployments/node.ts",
          "crypto_worker.ts",
          "page.css",
          "node_datachannel.node",
          "openSqliteStore",
          await Deno.readTextFile(join(ROOT, "gateway/page/page.css")),
        ]
      ) {
        const expected = new TextDecoder("latin1").decode(new TextEncoder().encode(part));
        assert(embedded.includes(expected), part.slice(0, 60));
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
