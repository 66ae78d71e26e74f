/** Brings a backup back into a data folder. A composition root for work that is done while no node runs. */
import { restoreBackup } from "../store/backup.ts";

/**
 * Replaces the store of data folder `to` by the backup in folder `from`, after every file was checked against its
 * manifest. What was there stays in `to/replaced/`. Keys and configuration are not touched.
 *
 * @throws {StoreError} with a hint, when the backup is damaged or a node uses `to`; nothing was changed then
 */
export async function restore(
  options: {
    readonly from: string;
    readonly to: string;
    readonly onProgress?: (done: number, total: number) => void;
  },
): Promise<void> {
  await restoreBackup(options);
}
