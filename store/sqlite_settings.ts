/** Settings of a SQLite store. */
import { settingJson } from "./limits.ts";
import type { SqliteContext } from "./sqlite_blocks.ts";
import { guarded } from "./sqlite_errors.ts";
import type { SettingsRepository } from "./store.ts";

/** The settings on the store's one connection. */
export class SqliteSettings implements SettingsRepository {
  readonly #context: SqliteContext;

  constructor(context: SqliteContext) {
    this.#context = context;
  }

  get(key: string): Promise<unknown> {
    return guarded(`read setting "${key}"`, async () => {
      const row = await this.#context.kysely.selectFrom("settings").select("value")
        .where("key", "=", key).executeTakeFirst();
      return row && JSON.parse(row.value);
    });
  }

  entries(prefix: string): Promise<readonly (readonly [key: string, value: unknown])[]> {
    return guarded("read settings", async () => {
      const rows = await this.#context.kysely.selectFrom("settings").selectAll()
        .where("key", ">=", prefix).where("key", "<", `${prefix}\u{10ffff}`).orderBy("key")
        .execute();
      // SQLite sorts by UTF-8 bytes, JavaScript by UTF-16 units; the port promises the latter, like every other list.
      return rows.filter((row) => row.key.startsWith(prefix))
        .sort((a, b) => a.key < b.key ? -1 : 1)
        .map((row) => [row.key, JSON.parse(row.value)] as const);
    });
  }

  async set(changes: Readonly<Record<string, unknown>>): Promise<void> {
    const entries = Object.entries(changes);
    const kept = entries.filter(([, value]) => value !== undefined)
      .map(([key, value]) => ({ key, value: settingJson(key, value) }));
    const removed = entries.filter(([, value]) => value === undefined).map(([key]) => key);
    await guarded(
      "store settings",
      () =>
        this.#context.kysely.transaction().execute(async (transaction) => {
          for (const row of kept) {
            await transaction.insertInto("settings").values(row)
              .onConflict((conflict) => conflict.column("key").doUpdateSet({ value: row.value }))
              .execute();
          }
          for (const key of removed) {
            await transaction.deleteFrom("settings").where("key", "=", key).execute();
          }
        }),
    );
  }
}
