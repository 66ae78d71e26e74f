/** Our own `keys` block: made when there is somebody to write to, and again when keys in it were used up. */
import { equalBytes } from "../../protocols/codec.ts";
import {
  encodeDeviceKeys,
  KEY_PACKAGES_MAX,
  KEYS_MEDIA_TYPE,
  KEYS_TOPIC,
} from "../../protocols/keys/device_keys.ts";
import { isAdmitted } from "../../protocols/registry/registry.ts";
import type { KeyPackageRow, MailChange } from "../../store/mail.ts";
import type { Block, BlockDraft } from "../../protocols/blocks/block.ts";
import { KEY_PACKAGE_LIFE_MS } from "../../platform/group_crypto.ts";
import type { Outcome } from "../handle.ts";
import type { Behaviour, Ref } from "../kernel/actor.ts";
import type { MailboxesCommand } from "./commands.ts";
import type { MailboxesDependencies, MailboxesState, MailContext } from "./state.ts";

/** Own private packages kept, at most: others may still use what an older block offered. */
const PACKAGES_KEPT_MAX = 48;
/** New keys are published at most this often, ms. */
const PUBLISH_EVERY_MS = 10 * 60_000;
/** After a failure, ms. */
const PUBLISH_RETRY_MS = 15_000;
/** How long the publisher may take, ms. */
const ANSWER_MS = 60_000;

/** Our keys as they should be published, durable here. */
export interface OwnKeys {
  readonly body: Uint8Array;
}

/** Publishes our keys when what others know of them is not what we have. */
export function publishKeys(
  context: MailContext,
  state: MailboxesState,
  deps: MailboxesDependencies,
): void {
  const { registry } = state;
  if (state.phase !== "open" || registry === null || !isAdmitted(registry, deps.self)) return;
  if (context.monotonicMs() < state.publishAtMs) return;
  const alone = ![...registry.members.keys()].some((id) =>
    id !== deps.self && isAdmitted(registry, id)
  );
  if (alone) return;
  const published = state.keys.get(deps.self);
  const same = published !== undefined && !state.keysStale &&
    equalBytes(published.boxKey, deps.sealer.publicKey) &&
    equalBytes(published.brokerKey, deps.brokerKey);
  if (same) return;
  // Whoever does not answer is asked again.
  state.publishAtMs = context.monotonicMs() + ANSWER_MS;
  const nowMs = context.wallMs();
  context.perform(
    () => makeOwnKeys(deps, nowMs),
    (outcome): MailboxesCommand => ({ type: "ownKeysMade", outcome }),
  );
}

/** Task: enough unused packages, durable before anybody hears of them. The last one in the block may be used again. */
async function makeOwnKeys(deps: MailboxesDependencies, nowMs: number): Promise<OwnKeys> {
  const { store, groupCrypto, self, crypto, sealer, brokerKey } = deps;
  const rows = await store.mail.list("keyPackages", { order: ["createdAtMs"], limit: 1_000 });
  const fresh = rows.filter((row) => nowMs - row.createdAtMs < KEY_PACKAGE_LIFE_MS / 2);
  const changes: MailChange[] = [];
  const make = async (lasting: number): Promise<KeyPackageRow> => {
    const pair = await groupCrypto.keyPackage(self);
    const hash = crypto.sha256Hex(pair.publicPackage);
    const row = { hash, ...pair, createdAtMs: nowMs, lasting, used: 0 };
    changes.push({ table: "keyPackages", put: row });
    return row;
  };
  const once = fresh.filter(({ lasting }) => lasting === 0).slice(-(KEY_PACKAGES_MAX - 1));
  while (once.length < KEY_PACKAGES_MAX - 1) once.push(await make(0));
  const last = fresh.findLast(({ lasting }) => lasting === 1) ?? await make(1);
  const published = [...once, last];
  const others = rows.filter(({ hash }) => !published.some((row) => row.hash === hash));
  for (const { hash } of others.slice(0, Math.max(0, others.length - PACKAGES_KEPT_MAX))) {
    changes.push({ table: "keyPackages", remove: { hash } });
  }
  await store.mail.commit(changes);
  const keyPackages = published.map(({ publicPackage }) => publicPackage);
  return {
    body: encodeDeviceKeys({ version: 1, boxKey: sealer.publicKey, brokerKey, keyPackages }),
  };
}

export function onOwnKeysMade(
  context: MailContext,
  state: MailboxesState,
  command: Extract<MailboxesCommand, { type: "ownKeysMade" }>,
  deps: MailboxesDependencies,
): void {
  const { outcome } = command;
  if (!outcome.ok) {
    context.log.write("warning", "Cannot make keys for messages", {
      error: String(outcome.error),
    });
    return again(context, state, PUBLISH_RETRY_MS);
  }
  const draft: BlockDraft = {
    kind: "keys",
    topic: KEYS_TOPIC,
    tags: [],
    mediaType: KEYS_MEDIA_TYPE,
    body: outcome.value.body,
  };
  context.send(deps.publisher, {
    type: "publish",
    drafts: [draft],
    idempotencyKey: null,
    replyTo: context.spawn(`published-${++state.publications}`, publishedReply(context.self)),
  });
}

/** Waits for the publisher's one answer and hands it to the mailboxes. */
function publishedReply(
  mailboxes: Ref<MailboxesCommand>,
): Behaviour<Outcome<readonly Block[]>, null> {
  return {
    name: "keysPublished",
    mailbox: { capacity: 1, overflow: "reject" },
    init: () => null,
    receive(context, _state, outcome) {
      context.send(mailboxes, { type: "keysPublished", outcome });
      context.stopSelf();
    },
  };
}

/** Our block is in the log: the fold hears of it like of any other. */
export function onKeysPublished(
  context: MailContext,
  state: MailboxesState,
  command: Extract<MailboxesCommand, { type: "keysPublished" }>,
): void {
  if (command.outcome.type === "done") {
    state.keysStale = false;
    return again(context, state, PUBLISH_EVERY_MS);
  }
  context.log.write("debug", "Cannot publish keys yet", { why: command.outcome.message });
  again(context, state, PUBLISH_RETRY_MS);
}

function again(context: MailContext, state: MailboxesState, afterMs: number): void {
  state.publishAtMs = context.monotonicMs() + afterMs;
}
