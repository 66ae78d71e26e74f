/**
 * One step of the mailboxes: a few jobs, worked off one after another, whose changes become durable in one commit. Until then only this
 * step sees them; what the step wants done outside (answers, parcels, events) is collected and happens after the commit, or never.
 *
 * Steps never overlap, so a state of a group is never used twice.
 */
import type { Crypto, Random, Sealer, Signer } from "../../platform/ports.ts";
import type { GroupCrypto } from "../../platform/group_crypto.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { DeviceKeys } from "../../protocols/keys/device_keys.ts";
import type { ConversationId, MessageId } from "../../protocols/mailbox/content.ts";
import type { RefusalReason } from "../../protocols/mailbox/messages.ts";
import type { ParcelId } from "../../protocols/mailbox/parcel.ts";
import { isAdmitted, type Registry } from "../../protocols/registry/registry.ts";
import type {
  MailChange,
  MailQuery,
  MailRepository,
  MailTable,
  MailTables,
} from "../../store/mail.ts";
import { compareRows, fitsQuery, keyOfRow } from "../../store/mail_rows.ts";
import type { NodeEvent } from "../events.ts";
import type { Outcome } from "../handle.ts";
import type { Ref } from "../kernel/actor.ts";
import type { MailLimits } from "./limits.ts";

/** What does not change over the life of the actor. */
export interface StepDependencies {
  readonly self: DeviceId;
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly sealer: Sealer;
  readonly groupCrypto: GroupCrypto;
  readonly mail: MailRepository;
  readonly limits: MailLimits;
}

/** What a step sees of the world. */
export interface StepView {
  readonly nowMs: number;
  readonly random: Random;
  readonly registry: Registry | null;
  /** The newest keys that each device has published. */
  readonly keys: ReadonlyMap<DeviceId, DeviceKeys>;
  /** Own parcels that wait, for the bound on them. */
  readonly outgoing: { readonly parcels: number; readonly bytes: number };
  readonly carried: { readonly bytes: number };
}

/** A parcel of ours as the actor remembers it. */
export interface QueuedParcel {
  readonly id: ParcelId;
  readonly recipient: DeviceId;
  readonly number: number;
  readonly message: MessageId | null;
  readonly expiresAtMs: number;
  readonly bytes: number;
  /** Its bytes, so that they need not be read again at once; only of small ones. */
  readonly parcel: Uint8Array | null;
}

/** Another's parcel as the actor remembers it. */
export interface CarriedParcel {
  readonly id: ParcelId;
  readonly sender: DeviceId;
  readonly recipient: DeviceId;
  readonly expiresAtMs: number;
  readonly bytes: number;
}

/** What happens once the step is durable. */
export interface StepFacts {
  readonly answers: { readonly to: Ref<Outcome<never>>; readonly outcome: Outcome<unknown> }[];
  readonly events: NodeEvent[];
  readonly queued: QueuedParcel[];
  /** Own parcels that need no delivery any more. */
  readonly settled: ParcelId[];
  readonly carried: CarriedParcel[];
  readonly dropped: ParcelId[];
  /** By the job's number: what became of the parcels of a deposit. */
  readonly taken: { readonly deposit: number; readonly id: ParcelId }[];
  readonly refused: {
    readonly deposit: number;
    readonly id: ParcelId;
    readonly reason: RefusalReason;
  }[];
  /** Deposits that held something which is no parcel. */
  readonly malformed: number[];
  readonly strikes: { readonly device: DeviceId; readonly reason: string }[];
  /** For the log, and as events for people. */
  readonly warnings: {
    readonly about: DeviceId | null;
    readonly reason: string;
    readonly detail: string;
  }[];
  /** True when own key packages were used: others should be published. */
  keysUsed: boolean;
}

/** How much of one sender is kept here. */
export interface SenderShare {
  waiting: number;
  waitingBytes: number;
  unread: number;
  carriedBytes: number;
}

/** The overlay of one step over the store. */
export class Step {
  readonly deps: StepDependencies;
  readonly view: StepView;
  readonly facts: StepFacts = {
    answers: [],
    events: [],
    queued: [],
    settled: [],
    carried: [],
    dropped: [],
    taken: [],
    refused: [],
    malformed: [],
    strikes: [],
    warnings: [],
    keysUsed: false,
  };
  /** Receipts to send when the step ends: by author, by conversation. */
  readonly receipts = new Map<DeviceId, Map<ConversationId, MessageId[]>>();
  /** By sender, series and conversation: the lowest number of a parcel that waits, as far as it was looked up. */
  readonly heldUp = new Map<string, number>();
  /** What the store holds of each sender, and what this step has added: counted once in a step, because counting is slow. */
  readonly #shares = new Map<DeviceId, SenderShare>();
  readonly #changes = new Map<MailTable, Map<string, MailChange>>();
  /** Rows that the changes put: a list looks at all of them, and most changes of a long step may be removals. */
  readonly #puts = new Map<MailTable, Map<string, unknown>>();
  readonly #read = new Map<string, unknown>();

  constructor(deps: StepDependencies, view: StepView) {
    this.deps = deps;
    this.view = view;
  }

  get nowMs(): number {
    return this.view.nowMs;
  }

  isAdmitted(device: DeviceId): boolean {
    return isAdmitted(this.view.registry, device);
  }

  async get<Table extends MailTable>(
    table: Table,
    key: Partial<MailTables[Table]>,
  ): Promise<MailTables[Table] | undefined> {
    const name = keyOfRow(table, key);
    const change = this.#changes.get(table)?.get(name);
    if (change !== undefined) {
      return "put" in change ? change.put as unknown as MailTables[Table] : undefined;
    }
    const place = `${table}\n${name}`;
    if (this.#read.has(place)) return this.#read.get(place) as MailTables[Table] | undefined;
    const row = await this.deps.mail.get(table, key);
    this.#read.set(place, row);
    return row;
  }

  async list<Table extends MailTable>(
    table: Table,
    query: MailQuery<Table>,
  ): Promise<readonly MailTables[Table][]> {
    const changes = this.#changes.get(table);
    // What the step removes may be among the first rows: that many more are read.
    const limit = Math.min(10_000, query.limit + (changes?.size ?? 0));
    const stored = await this.deps.mail.list(table, { ...query, limit });
    if (changes === undefined || changes.size === 0) return stored;
    const rows = stored.filter((row) => !changes.has(keyOfRow(table, row)));
    for (const put of this.#puts.get(table)?.values() ?? []) {
      const row = put as MailTables[Table];
      if (fitsQuery(table, row, query)) rows.push(row);
    }
    return rows.sort(compareRows(table, query)).slice(0, query.limit);
  }

  async totals<Table extends MailTable>(
    table: Table,
    where: Partial<MailTables[Table]> = {},
  ): Promise<{ readonly rows: number; readonly bytes: number }> {
    const changes = this.#changes.get(table);
    const stored = await this.deps.mail.totals(table, where);
    if (changes === undefined || changes.size === 0) return stored;
    let { rows, bytes } = stored;
    for (const change of changes.values()) {
      const key = "put" in change ? change.put : change.remove;
      const before = await this.deps.mail.get(table, key as Partial<MailTables[Table]>);
      if (before !== undefined && fitsQuery(table, before, { where })) {
        rows--;
        bytes -= bytesOf(before);
      }
      if (!("put" in change)) continue;
      const row = change.put as unknown as MailTables[Table];
      if (!fitsQuery(table, row, { where })) continue;
      rows++;
      bytes += bytesOf(row);
    }
    return { rows, bytes };
  }

  put<Table extends MailTable>(table: Table, row: MailTables[Table]): void {
    const name = keyOfRow(table, row);
    this.#change(table, name, { table, put: row } as unknown as MailChange);
    this.#puts.getOrInsertComputed(table, () => new Map()).set(name, row);
  }

  remove<Table extends MailTable>(table: Table, key: Partial<MailTables[Table]>): void {
    const name = keyOfRow(table, key);
    this.#change(table, name, { table, remove: key } as unknown as MailChange);
    this.#puts.get(table)?.delete(name);
  }

  /** How much of a sender is here; whoever adds to it counts it. */
  async shareOf(sender: DeviceId): Promise<SenderShare> {
    const known = this.#shares.get(sender);
    if (known !== undefined) return known;
    const [waiting, unread, carried] = await Promise.all([
      this.totals("waiting", { sender }),
      this.totals("messages", { author: sender, read: 0 }),
      this.totals("carried", { sender }),
    ]);
    const share = {
      waiting: waiting.rows,
      waitingBytes: waiting.bytes,
      unread: unread.rows,
      carriedBytes: carried.bytes,
    };
    this.#shares.set(sender, share);
    return share;
  }

  /** Everything that the step changes. */
  changes(): readonly MailChange[] {
    return [...this.#changes.values()].flatMap((changes) => [...changes.values()]);
  }

  /** Something that was refused or could not be used: noted for the log and for people. */
  warn(about: DeviceId | null, reason: string, detail: string): void {
    this.facts.warnings.push({ about, reason, detail });
  }

  #change(table: MailTable, key: string, change: MailChange): void {
    const changes = this.#changes.getOrInsertComputed(table, () => new Map<string, MailChange>());
    // The last change of a row is what counts, in the place of the last.
    changes.delete(key);
    changes.set(key, change);
  }
}

function bytesOf(row: object): number {
  return "bytes" in row && typeof row.bytes === "number" ? row.bytes : 0;
}
