/** What the mailboxes read from the store before they do anything. */
import type { DeviceId } from "../../protocols/ids.ts";
import { decodeDeviceKeys, type DeviceKeys } from "../../protocols/keys/device_keys.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { MAIL_ROWS_MAX, type MailChange } from "../../store/mail.ts";
import { RESTORED_SETTING } from "../../store/store.ts";
import type { MailboxesDependencies } from "./state.ts";
import type { CarriedParcel, QueuedParcel } from "./step.ts";

/** Everything that the actor remembers, from the store. */
export interface LoadedMail {
  readonly outgoing: readonly QueuedParcel[];
  readonly carried: readonly CarriedParcel[];
  readonly keys: readonly PublishedKeys[];
  /** True when the disk was put back from a backup: nothing of it may be used with others that depends on being the newest. */
  readonly restored: boolean;
}

/** Keys in a device's log. */
export interface PublishedKeys {
  readonly device: DeviceId;
  readonly sequence: number;
  readonly keys: DeviceKeys;
}

/** Reads it all. After a restore, numberings and states of groups are forgotten: both must never go back. */
export async function loadMail(
  { store }: Pick<MailboxesDependencies, "store">,
): Promise<LoadedMail> {
  const { mail } = store;
  const restored = await store.settings.get(RESTORED_SETTING) === true;
  if (restored) {
    const changes: MailChange[] = [];
    for (const { conversation } of await mail.list("groups", { limit: MAIL_ROWS_MAX })) {
      changes.push({ table: "groups", remove: { conversation } });
    }
    for (const { recipient } of await mail.list("sending", { limit: MAIL_ROWS_MAX })) {
      changes.push({ table: "sending", remove: { recipient } });
    }
    await mail.commit(changes);
  }
  const outgoing: QueuedParcel[] = [];
  let after: readonly (string | number)[] | undefined;
  while (true) {
    const rows = await mail.list("outgoing", {
      order: ["recipient", "number", "id"],
      ...(after && { after }),
      limit: 500,
    });
    for (const { id, recipient, number, message, expiresAtMs, bytes } of rows) {
      outgoing.push({ id, recipient, number, message, expiresAtMs, bytes, parcel: null });
    }
    const last = rows.at(-1);
    if (last === undefined) break;
    after = [last.recipient, last.number, last.id];
  }
  const carried: CarriedParcel[] = [];
  let afterId: string | undefined;
  while (true) {
    const rows = await mail.list("carried", { ...(afterId && { after: [afterId] }), limit: 500 });
    for (const { id, sender, recipient, expiresAtMs, bytes } of rows) {
      carried.push({ id, sender, recipient, expiresAtMs, bytes });
    }
    const last = rows.at(-1);
    if (last === undefined) break;
    afterId = last.id;
  }
  const blocks = await store.blocks.ofKinds(["keys"]);
  return { outgoing, carried, keys: blocks.flatMap(publishedKeys), restored };
}

/** The keys in a block; none when it holds none that can be read. */
export function publishedKeys(block: Block): readonly PublishedKeys[] {
  if (block.header.kind !== "keys" || block.payload === null) return [];
  const decoded = decodeDeviceKeys(block.payload);
  if (!decoded.ok) return [];
  const { author, sequence } = block.header;
  return [{ device: author, sequence, keys: decoded.message }];
}
