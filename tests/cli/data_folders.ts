/** Folders for tests of commands that bring data: a data folder that is not there yet, and one to bring from. */
import { join } from "node:path";

/** Runs `test` with both; they are gone afterwards. */
export async function withFolders(
  test: (folders: { readonly data: string; readonly source: string }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "submind_learn_data_" });
  try {
    const [data, source] = [join(folder, "data"), join(folder, "source")];
    await Deno.mkdir(source);
    await test({ data, source });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
