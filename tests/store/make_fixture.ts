/** Writes the database fixture of the present schema version; run once for each new version, never again for an old one. */
import { join } from "node:path";
import { SCHEMA_VERSION } from "../../store/migrations.ts";
import { NodeSqlite } from "../../store/node_sqlite.ts";
import { messageRow } from "../contracts/mail_contract.ts";
import { fixtureBlocks, FIXTURES, READING } from "./fixtures.ts";
import { openStore, withFolder } from "./folders.ts";

await withFolder(async (directory) => {
  const store = await openStore(directory);
  const blocks = fixtureBlocks();
  await store.blocks.put(blocks);
  await store.search.index([{ blockId: blocks[0]!.id, title: "Tomatoes", text: "sow in March" }]);
  await store.settings.set({ name: "Ada", "invite/a": { expires: 5 } });
  await store.mail.commit([{ table: "messages", put: messageRow(1) }]);
  await store.readings.add("attic", [READING], false);
  await store.close();
  const database = new NodeSqlite(join(directory, "node.db"));
  await Deno.mkdir(FIXTURES, { recursive: true });
  database.run("VACUUM INTO ?", join(FIXTURES, `schema_${SCHEMA_VERSION}.db`));
  database.close();
});
