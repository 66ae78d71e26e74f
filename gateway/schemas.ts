/**
 * Every request and response of the HTTP API as zod schemas: they validate what comes in and generate the OpenAPI
 * document. Field names are those of `actors/handle.ts` and of the block header; bytes are base64.
 */
import { z } from "@hono/zod-openapi";
import type {
  AddedBlock,
  BlockView,
  Interest,
  InviteOptions,
  InviteView,
  MemberView,
  NodeStatus,
  PairingView,
  PeerView,
} from "../actors/handle.ts";
import type { Block, BlockHeader } from "../protocols/blocks/block.ts";
import { BODY_BYTES_MAX } from "../protocols/blocks/block.ts";
import {
  BLOCK_KINDS,
  MEDIA_TYPE_BYTES_MAX,
  PARENTS_MAX,
  TAG_BYTES_MAX,
  TAGS_MAX,
  TOPIC_BYTES_MAX,
} from "../protocols/blocks/limits.ts";
import { parseDeviceId } from "../protocols/ids.ts";
import { PERMISSIONS, ROLES, TRUST_LEVELS } from "../protocols/registry/roles.ts";
import type { Damage, SearchHit, SearchPage } from "../store/store.ts";
import { mayBeMissing } from "./may_be_missing.ts";
import { identical, type Matches } from "./schema_identity.ts";

const utf8 = new TextEncoder();

/** Text of at most `bytesMax` bytes of UTF-8 that every store and codec takes unchanged: well formed, without NUL. */
export function text(bytesMax: number, bytesMin = 0) {
  return z.string().min(bytesMin).max(bytesMax).refine(
    (value) =>
      value.isWellFormed() && !value.includes("\0") && utf8.encode(value).length <= bytesMax,
    `expected well-formed text of at most ${bytesMax} bytes of UTF-8 without NUL`,
  );
}

/** A count: an integer from 0. */
export const count = () => z.int().min(0);

export const blockIdSchema = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 lower-case hex digits")
  .openapi({ description: "SHA-256 of the block header, hex.", example: "0".repeat(64) });
export const deviceIdSchema = z.string()
  .refine(
    (value) => parseDeviceId(value) !== undefined,
    "expected a device id: 52 characters of a-z and 2-7",
  )
  .openapi({
    description: "Base32 of the device's Ed25519 public key.",
    pattern: "^[a-z2-7]{52}$",
    example: "a".repeat(52),
  });
export const topicSchema = text(TOPIC_BYTES_MAX, 1).openapi({ example: "notes/garden" });
const tagSchema = text(TAG_BYTES_MAX, 1);
export const mediaTypeSchema = z.string().max(MEDIA_TYPE_BYTES_MAX)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*$/,
    'expected a media type such as "text/markdown"',
  );
export const idempotencyKeySchema = z.string()
  .regex(/^[\x21-\x7e]{1,64}$/, "expected 1 to 64 visible ASCII characters");

export const blockKindSchema = z.enum(BLOCK_KINDS);

export const blockHeaderSchema = z.strictObject({
  version: z.literal(1),
  mesh: blockIdSchema.nullable(),
  author: deviceIdSchema,
  sequence: z.int().min(1),
  previous: blockIdSchema.nullable(),
  parents: z.array(blockIdSchema).max(PARENTS_MAX),
  kind: blockKindSchema,
  target: blockIdSchema.nullable(),
  topic: z.string(),
  tags: z.array(z.string()).max(TAGS_MAX),
  mediaType: z.string(),
  timeMs: z.int().openapi({ description: "The author's clock: a claim." }),
  bodyBytes: count(),
  payloadHash: z.string().regex(/^[0-9a-f]{64}$/),
}).openapi("BlockHeader");

export const base64Schema = z.base64();

export const blockSchema = z.strictObject({
  id: blockIdSchema,
  header: blockHeaderSchema,
  headerBytes: base64Schema.openapi({ description: "Exactly what was signed." }),
  signature: base64Schema,
  payload: base64Schema.nullable().openapi({
    description: "The body up to 64 KiB, else its chunk hashes; null when not kept here.",
  }),
}).openapi("Block");

export const blockViewSchema = z.strictObject({
  block: blockSchema,
  replacedBy: z.array(blockIdSchema),
  current: blockIdSchema.nullable().openapi({
    description: "The version to show of this document; null when it was removed.",
  }),
  conflicts: z.array(blockIdSchema).openapi({
    description: "Versions written at the same time as the current one, still readable.",
  }),
  complete: z.boolean().openapi({ description: "True when the whole body can be read here." }),
}).openapi("BlockView");

export const blockSummarySchema = z.strictObject({
  id: blockIdSchema,
  header: blockHeaderSchema,
  hasPayload: z.boolean(),
  preview: z.string().nullable().openapi({
    description: "The first 280 characters of a text body; null for others.",
  }),
}).openapi("BlockSummary");

export const blockPageSchema = z.strictObject({
  blocks: z.array(blockSummarySchema),
  nextCursor: z.string().nullable(),
}).openapi("BlockPage");

/** A query parameter that may be repeated, as a list. Where items cannot hold commas, these separate them too. */
function list<Item extends z.ZodType>(item: Item, itemsMax: number, commas: boolean) {
  return z.preprocess((value) => {
    const texts = [value ?? []].flat().map(String);
    const parts = texts.flatMap((text) => commas ? text.split(",") : [text]);
    const stated = parts.filter((part) => part !== "");
    return stated.length === 0 ? undefined : stated;
  }, z.array(item).max(itemsMax).optional());
}

const flag = z.enum(["true", "false"]).transform((value) => value === "true");

export const blockQuerySchema = z.strictObject({
  topic: topicSchema.optional(),
  author: deviceIdSchema.optional(),
  kinds: list(blockKindSchema, 8, true).openapi({
    type: "array",
    items: { type: "string" },
    description: "Repeated or separated by commas.",
  }),
  tag: tagSchema.optional().openapi({ description: "Only blocks that carry exactly this tag." }),
  currentOnly: flag.optional().openapi({ type: "string", enum: ["true", "false"] }),
  cursor: z.string().regex(/^\d{1,15}$/, "expected a nextCursor of an earlier page")
    .optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});

const draftKindSchema = z.enum(["put", "supersede", "tombstone", "crdt", "model"]);

/** Where a block goes, without its content; what raw uploads give in the query. */
const draftFields = {
  kind: draftKindSchema.default("put"),
  topic: topicSchema,
  tags: z.array(tagSchema).max(TAGS_MAX).default([]),
  target: blockIdSchema.nullable().default(null),
  parents: z.array(blockIdSchema).max(PARENTS_MAX).default([]),
};

export const draftSchema = z.strictObject({
  ...draftFields,
  mediaType: mediaTypeSchema.optional().openapi({
    description: "Default text/plain with `text`, application/octet-stream with `body`.",
  }),
  text: z.string().refine((value) => value.isWellFormed(), "expected well-formed text").optional(),
  body: base64Schema.optional(),
}).refine(
  (draft) => draft.text === undefined || draft.body === undefined,
  "give either text or body, not both",
).refine(
  (draft) => draft.kind === "tombstone" || draft.text !== undefined || draft.body !== undefined,
  "text or body is missing",
).refine(
  (draft) => (draft.kind === "supersede" || draft.kind === "tombstone") === (draft.target !== null),
  { message: "target is needed for supersede and tombstone, and only there", path: ["target"] },
).openapi("BlockDraft");

export const addBlocksSchema = z.union([
  z.strictObject({ blocks: z.array(draftSchema).min(1).max(100) }),
  draftSchema,
]);

export const rawUploadQuerySchema = z.strictObject({
  ...draftFields,
  tags: list(tagSchema, TAGS_MAX, false).openapi({ type: "array", items: { type: "string" } }),
  target: blockIdSchema.optional(),
  parents: list(blockIdSchema, PARENTS_MAX, true).openapi({
    type: "array",
    items: { type: "string" },
  }),
});

export const addedBlockSchema = z.strictObject({ id: blockIdSchema, sequence: z.int().min(1) })
  .openapi("AddedBlock");
export const addedBlocksSchema = z.strictObject({ blocks: z.array(addedBlockSchema) });

export const searchQuerySchema = z.strictObject({
  text: text(512, 1).openapi({ example: '"white clover" -lawn' }),
  topic: topicSchema.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  offset: z.coerce.number().int().min(0).max(10_000).default(0),
});
export const searchHitSchema = z.strictObject({
  blockId: blockIdSchema,
  title: z.string(),
  topic: z.string(),
  author: deviceIdSchema,
  timeMs: z.int(),
  snippet: z.string().openapi({ description: "Hits stand between U+0002 and U+0003." }),
  score: z.number(),
}).openapi("SearchHit");
export const searchPageSchema = z.strictObject({ hits: z.array(searchHitSchema), total: count() })
  .openapi("SearchPage");

export const pathKindSchema = z.enum(["quic", "webrtc", "nats", "simulated"]);
export const peerSchema = z.strictObject({
  deviceId: deviceIdSchema,
  displayName: z.string(),
  role: z.enum(ROLES).nullable(),
  member: z.boolean(),
  sighted: z.boolean(),
  addresses: z.array(z.string()),
  state: z.enum(["idle", "connecting", "handshaking", "up", "waiting"]),
  path: pathKindSchema.nullable(),
  pathDescription: z.string().nullable(),
  relayed: z.boolean(),
  roundTripMs: z.number().nullable(),
  connectedForMs: z.number().nullable(),
  bytesSent: count(),
  bytesReceived: count(),
  framesUnacknowledged: count(),
  retryInMs: z.number().nullable(),
  lastProblem: z.string().nullable(),
  inSync: z.boolean(),
  liveness: z.enum(["unknown", "alive", "suspect", "dead", "left"]),
}).openapi("Peer");
export const livenessSchema = z.strictObject({
  members: z.array(z.strictObject({
    deviceId: deviceIdSchema,
    state: peerSchema.shape.liveness,
    incarnation: count(),
    forMs: z.number(),
  })),
  localHealth: count(),
  probeIntervalMs: z.number(),
  probeTimeoutMs: z.number(),
  suspicionMs: z.strictObject({ least: z.number(), most: z.number() }),
  probesSent: count(),
  probesFailed: count(),
  suspicionsRaised: count(),
  suspicionsRefuted: count(),
}).openapi("Liveness");
export const peersSchema = z.strictObject({ peers: z.array(peerSchema) });
export const addPeerSchema = z.strictObject({
  address: text(512, 1).openapi({ example: "http://192.168.1.7:7464" }),
});

export const memberSchema = z.strictObject({
  deviceId: deviceIdSchema,
  displayName: z.string(),
  role: z.enum(ROLES),
  permissions: z.array(z.enum(PERMISSIONS)),
  trust: z.enum(TRUST_LEVELS),
  revoked: z.boolean(),
  admittedBy: deviceIdSchema.nullable(),
  admittedAtMs: z.int(),
  self: z.boolean(),
}).openapi("Member");
export const membersSchema = z.strictObject({ members: z.array(memberSchema) });
export const memberChangeSchema = z.strictObject({
  displayName: mayBeMissing(text(63, 1)),
  role: mayBeMissing(z.enum(ROLES)),
  permissions: mayBeMissing(z.array(z.enum(PERMISSIONS)).max(PERMISSIONS.length)),
  trust: mayBeMissing(z.enum(TRUST_LEVELS)),
}).refine((change) => Object.keys(change).length > 0, "name at least one field to change");

export const inviteOptionsSchema = z.strictObject({
  role: z.enum(ROLES),
  displayName: mayBeMissing(text(63, 1)),
  validMs: mayBeMissing(z.int().min(60_000).max(86_400_000)),
}).openapi("InviteOptions");
export const inviteSchema = z.strictObject({
  inviteId: z.string(),
  link: z.string(),
  code: z.string(),
  role: z.enum(ROLES),
  expiresAtMs: z.int(),
  state: z.enum(["open", "used", "expired", "burned", "cancelled"]),
}).openapi("Invite");
export const invitesSchema = z.strictObject({ invites: z.array(inviteSchema) });
/** Ids of invites and pairings: opaque to clients. */
export const opaqueIdSchema = z.string().regex(
  /^[A-Za-z0-9._~-]{1,128}$/,
  "expected an id as given by this API",
);

export const pairingPhaseSchema = z.enum([
  "connecting",
  "confirming",
  "waitingForOther",
  "completed",
  "refused",
  "failed",
]);
export const pairingSchema = z.strictObject({
  pairingId: z.string(),
  side: z.enum(["inviter", "joiner"]),
  phase: pairingPhaseSchema,
  words: z.array(z.string()),
  remoteDeviceId: deviceIdSchema.nullable(),
  remoteDisplayName: z.string().nullable(),
  problem: z.string().nullable(),
}).openapi("Pairing");
export const pairingsSchema = z.strictObject({ pairings: z.array(pairingSchema) });
export const acceptInviteSchema = z.strictObject({
  linkOrCode: text(4_096, 1).openapi({ example: "4821-7730" }),
});
export const confirmSchema = z.strictObject({ wordsMatch: z.boolean() });

export const interestSchema = z.strictObject({
  topics: z.array(topicSchema).max(64),
  bodyBytesMax: z.int().min(0).max(BODY_BYTES_MAX),
}).openapi("Interest");
export const interestAnswerSchema = z.strictObject({ interest: interestSchema.nullable() });

export const damageSchema = z.strictObject({
  table: z.enum(["blocks", "chunks", "settings", "database"]),
  key: z.string(),
  problem: z.string(),
}).openapi("Damage");

export const statusSchema = z.strictObject({
  deviceId: deviceIdSchema,
  displayName: z.string(),
  mesh: blockIdSchema.nullable(),
  role: z.enum(ROLES).nullable(),
  version: z.string(),
  uptimeMs: z.number(),
  blocks: count(),
  blockBytes: count(),
  blocksWithoutPayload: count(),
  chunks: count(),
  chunkBytes: count(),
  members: count(),
  peersConnected: count(),
  peersSighted: count(),
  multicast: z.boolean(),
  rendezvousAddresses: z.array(z.string()),
  damage: z.array(damageSchema),
}).openapi("Status");

export const backupSchema = z.strictObject({
  directory: text(4_096, 1).openapi({ description: "An absolute path on the node's machine." }),
});

export const leaveMeshSchema = z.strictObject({
  bring: z.boolean().openapi({
    description: "Whether what this device has added comes along into the next mesh.",
  }),
});

export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  reason: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
}).openapi("Problem");

identical<[
  Matches<typeof blockHeaderSchema, BlockHeader>,
  Matches<typeof blockSchema, Block>,
  Matches<typeof blockViewSchema, BlockView>,
  Matches<typeof addedBlockSchema, AddedBlock>,
  Matches<typeof searchHitSchema, SearchHit>,
  Matches<typeof searchPageSchema, SearchPage>,
  Matches<typeof peerSchema, PeerView>,
  Matches<typeof memberSchema, MemberView>,
  Matches<typeof inviteOptionsSchema, InviteOptions>,
  Matches<typeof inviteSchema, InviteView>,
  Matches<typeof pairingSchema, PairingView>,
  Matches<typeof interestSchema, Interest>,
  Matches<typeof damageSchema, Damage>,
  Matches<typeof statusSchema, NodeStatus>,
]>(true, true, true, true, true, true, true, true, true, true, true, true, true, true);
