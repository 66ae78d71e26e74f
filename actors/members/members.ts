/**
 * Keeps the registry: folds its blocks, tells everyone when it changes, and writes the statements that administrators ask for.
 *
 * Invariants:
 * - The registry published is the fold of registry blocks that are durable here; nothing is adopted before.
 * - Requests that change the registry are handled one after another, each judged by what the one before has left.
 * - A mesh is adopted once: what belongs to another mesh never enters the fold.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Crypto } from "../../platform/ports.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { type DeviceId, type MeshId, shortId } from "../../protocols/ids.ts";
import { emptyFold, extendFold, registryOf } from "../../protocols/registry/fold.ts";
import type { Store } from "../../store/store.ts";
import { nodeEvents } from "../events.ts";
import type { Outcome, Refusal } from "../handle.ts";
import type { Behaviour, Context, Ref, TaskOutcome } from "../kernel/actor.ts";
import { replyOnce } from "../kernel/reply_once.ts";
import type { PublisherCommand } from "../publisher/commands.ts";
import { blocksCommitted } from "../storage/commands.ts";
import { alreadyMember, answer, type Request, succeed, unavailable } from "./answers.ts";
import { memberChanges } from "./changes.ts";
import { type LoadedRegistry, type MembersCommand, membershipChanged } from "./commands.ts";
import { loadRegistry, saveMesh, settleJoin } from "./load.ts";
import { onCopiesChanged, tendCopies } from "./copies.ts";
import type { MembersState, Operation } from "./state.ts";
import { foundingDraft, memberDraft, planStatements } from "./statements.ts";

/** Requests waiting at most. */
const OPERATIONS_MAX = 256;
/** After this long without an answer of the publisher the request is answered as unavailable; its block may still come. */
const PUBLISH_TIMEOUT_MS = 30_000;

export interface MembersDependencies {
  readonly self: DeviceId;
  /** What this device calls itself when it founds a mesh. */
  readonly displayName: string;
  readonly crypto: Pick<Crypto, "sha256Hex" | "verifyMany">;
  readonly store: Pick<Store, "blocks" | "settings">;
  readonly publisher: Ref<PublisherCommand>;
}

type Ctx = Context<MembersCommand>;

/** The members actor. */
export function members(deps: MembersDependencies): Behaviour<MembersCommand, MembersState> {
  return {
    name: "members",
    init(context) {
      context.subscribe(blocksCommitted, (event) => ({ type: "blocksCommitted", event }));
      context.perform(() => loadRegistry(deps), (outcome) => ({ type: "loaded", outcome }));
      return {
        phase: "loading",
        fold: null,
        registry: null,
        copies: new Set(),
        onlyCopies: new Set(),
        changingCopies: false,
        operations: [],
        nextOperationId: 1,
        early: [],
        askedEarly: [],
      };
    },
    receive(context, state, command) {
      switch (command.type) {
        case "foundMesh":
        case "joinMesh":
        case "admit":
        case "updateMember":
        case "revoke":
          return onRequest(context, state, deps, command);
        case "getRegistry":
          if (state.phase === "loading") state.askedEarly.push(command.replyTo);
          else context.send(command.replyTo, state.registry);
          return;
        case "loaded":
          return onLoaded(context, state, deps, command.outcome);
        case "logRead":
          return onLogRead(context, state, deps, command.operationId, command.outcome);
        case "published":
          return onPublished(context, state, deps, command.operationId, command.outcome);
        case "publishDue":
          return onPublishDue(context, state, deps, command.operationId);
        case "joinSettled":
          return onJoinSettled(context, state, deps, command.operationId, command.outcome);
        case "meshSaved":
          return onMeshSaved(context, state, deps, command.operationId, command.outcome);
        case "blocksCommitted":
          return onCommitted(context, state, deps, command.event.blocks.map(({ block }) => block));
        case "copiesChanged":
          return onCopiesChanged(context, state, deps, command.changes, command.outcome);
        case "copiesDue":
          return tendCopies(context, state, deps);
        default:
          command satisfies never;
      }
    },
  };
}

function onLoaded(
  context: Ctx,
  state: MembersState,
  deps: MembersDependencies,
  outcome: TaskOutcome<LoadedRegistry>,
): void {
  // Without its registry the node cannot tell friend from stranger: the supervisor tries again.
  if (!outcome.ok) throw outcome.error;
  const { mesh, blocks, copies, onlyCopies } = outcome.value;
  state.phase = "ready";
  state.copies = new Set(copies);
  state.onlyCopies = new Set(onlyCopies);
  if (mesh !== null) {
    state.fold = extendFold(emptyFold(mesh), [...blocks, ...state.early]);
    state.registry = registryOf(state.fold);
    if (state.registry === null) warnOfMissingFounding(context, mesh);
  }
  state.early = [];
  context.publish(membershipChanged, { registry: state.registry });
  for (const replyTo of state.askedEarly.splice(0)) context.send(replyTo, state.registry);
  tendCopies(context, state, deps);
  startNext(context, state, deps);
}

function warnOfMissingFounding(context: Ctx, mesh: MeshId): void {
  const message = `The founding block of mesh ${shortId(mesh)} cannot be read here; ` +
    "run verify, or restore a backup";
  context.log.write("error", message);
  context.publish(nodeEvents, { type: "warning", source: "members", message });
}

function onCommitted(
  context: Ctx,
  state: MembersState,
  deps: MembersDependencies,
  blocks: readonly Block[],
): void {
  const ofRegistry = blocks.filter(({ header }) =>
    header.kind === "member" || header.kind === "founding"
  );
  if (ofRegistry.length === 0) return;
  if (state.phase === "loading") {
    state.early.push(...ofRegistry);
    return;
  }
  adopt(context, state, ofRegistry);
  for (const { id } of ofRegistry) state.onlyCopies.delete(id);
  tendCopies(context, state, deps);
}

/** Takes durable registry blocks into the fold and tells everyone if that changed something. */
function adopt(context: Ctx, state: MembersState, blocks: readonly Block[]): void {
  if (state.fold === null) return;
  const fold = extendFold(state.fold, blocks);
  if (fold.entries.size === state.fold.entries.size && state.fold.founding !== null) return;
  const before = state.registry;
  state.fold = fold;
  state.registry = registryOf(fold, before);
  context.publish(membershipChanged, { registry: state.registry });
  for (const event of memberChanges(before, state.registry)) context.publish(nodeEvents, event);
}

function adoptMesh(
  context: Ctx,
  state: MembersState,
  joined: { readonly mesh: MeshId; readonly blocks: readonly Block[]; readonly founded: boolean },
): void {
  const { mesh, blocks, founded } = joined;
  state.fold = extendFold(emptyFold(mesh), blocks);
  state.registry = registryOf(state.fold);
  context.publish(membershipChanged, { registry: state.registry });
  context.publish(nodeEvents, { type: "meshJoined", mesh, founded });
  for (const event of memberChanges(null, state.registry)) context.publish(nodeEvents, event);
}

function onRequest(
  context: Ctx,
  state: MembersState,
  deps: MembersDependencies,
  request: Request,
): void {
  if (state.operations.length >= OPERATIONS_MAX) {
    const message = `Cannot change the registry now: ${OPERATIONS_MAX} requests are waiting`;
    return answer(context, request, { type: "refused", reason: "busy", message });
  }
  state.operations.push({ id: state.nextOperationId++, request, founded: null, reply: null });
  if (state.phase === "ready" && state.operations.length === 1) startNext(context, state, deps);
}

/** Starts requests from the front until one has to wait for the disk or the publisher. */
function startNext(context: Ctx, state: MembersState, deps: MembersDependencies): void {
  for (let first = state.operations[0]; first !== undefined; first = state.operations[0]) {
    const refusal = start(context, state, deps, first);
    if (refusal === null) return;
    state.operations.shift();
    answer(context, first.request, refusal);
  }
}

function start(
  context: Ctx,
  state: MembersState,
  deps: MembersDependencies,
  operation: Operation,
): Refusal | null {
  const { request, id } = operation;
  switch (request.type) {
    case "foundMesh": {
      if (state.fold !== null) return alreadyMember(state.fold.mesh);
      const draft = foundingDraft(deps.displayName, context.random.bytes(16));
      publish(context, deps, operation, [draft]);
      return null;
    }
    case "joinMesh": {
      if (state.fold !== null) return alreadyMember(state.fold.mesh);
      const { mesh, blocks } = request;
      context.perform(
        () => settleJoin(deps, mesh, blocks),
        (outcome) => ({ type: "joinSettled", operationId: id, outcome }),
      );
      return null;
    }
    default: {
      if (state.registry === null) {
        const message = "This device belongs to no mesh; found one by adding something, or pair it";
        return { type: "refused", reason: "noMesh", message };
      }
      const { deviceId } = request;
      context.perform(
        async () => {
          const frontiers = await deps.store.blocks.frontiers();
          return frontiers.find(({ author }) => author === deviceId)?.sequence ?? 0;
        },
        (outcome) => ({ type: "logRead", operationId: id, outcome }),
      );
      return null;
    }
  }
}

function onLogRead(
  context: Ctx,
  state: MembersState,
  deps: MembersDependencies,
  operationId: number,
  outcome: TaskOutcome<number>,
): void {
  const operation = underWay(state, operationId);
  if (operation === undefined) return;
  const { request } = operation;
  const { registry } = state;
  invariant(
    request.type !== "foundMesh" && request.type !== "joinMesh" && registry !== null,
    `request ${request.type} has no log to read`,
  );
  if (!outcome.ok) return finish(context, state, deps, unavailable(outcome.error));
  const plan = planStatements(request, registry, deps.self, outcome.value);
  if (plan.type === "refused") return finish(context, state, deps, plan);
  if (plan.type === "nothing") return finish(context, state, deps, null);
  publish(context, deps, operation, plan.statements.map((one) => memberDraft(one, registry)));
}

function publish(
  context: Ctx,
  deps: MembersDependencies,
  operation: Operation,
  drafts: Extract<PublisherCommand, { type: "publish" }>["drafts"],
): void {
  // A child per question: its address says which request an answer belongs to.
  const operationId = operation.id;
  const replyTo = context.spawn(
    `publish-${operationId}`,
    replyOnce(context.self, (outcome: Outcome<readonly Block[]>) => ({
      type: "published" as const,
      operationId,
      outcome,
    })),
    { restart: "temporary" },
  );
  operation.reply = replyTo;
  context.send(deps.publisher, { type: "publish", drafts, idempotencyKey: null, replyTo });
  context.startTimer("publish", PUBLISH_TIMEOUT_MS, { type: "publishDue", operationId });
}

function onPublished(
  context: Ctx,
  state: MembersState,
  deps: MembersDependencies,
  operationId: number,
  outcome: Outcome<readonly Block[]>,
): void {
  const operation = underWay(state, operationId);
  // Given up before: what was published comes in with its commit.
  if (operation === undefined) return;
  context.cancelTimer("publish");
  if (outcome.type === "refused") return finish(context, state, deps, outcome);
  if (operation.request.type !== "foundMesh") {
    adopt(context, state, outcome.value);
    tendCopies(context, state, deps);
    return finish(context, state, deps, null);
  }
  const founding = outcome.value[0];
  invariant(founding?.header.kind === "founding", "publisher answered without a founding block");
  operation.founded = founding;
  context.perform(
    () => saveMesh(deps, founding),
    (outcome) => ({ type: "meshSaved", operationId, outcome }),
  );
}

function onPublishDue(
  context: Ctx,
  state: MembersState,
  deps: MembersDependencies,
  operationId: number,
): void {
  const operation = underWay(state, operationId);
  if (operation === undefined) return;
  if (operation.reply !== null) context.stopChild(operation.reply);
  finish(context, state, deps, unavailable("the publisher has not answered"));
}

function onMeshSaved(
  context: Ctx,
  state: MembersState,
  deps: MembersDependencies,
  operationId: number,
  outcome: TaskOutcome<void>,
): void {
  const founding = underWay(state, operationId)?.founded;
  if (founding === undefined || founding === null) return;
  // The founding block is durable all the same: loading again finds it.
  if (!outcome.ok) throw outcome.error;
  state.copies.add(founding.id);
  adoptMesh(context, state, { mesh: founding.id as MeshId, blocks: [founding], founded: true });
  finish(context, state, deps, null);
}

function onJoinSettled(
  context: Ctx,
  state: MembersState,
  deps: MembersDependencies,
  operationId: number,
  outcome: TaskOutcome<Outcome<MeshId>>,
): void {
  const request = underWay(state, operationId)?.request;
  if (request?.type !== "joinMesh") return;
  if (!outcome.ok) return finish(context, state, deps, unavailable(outcome.error));
  if (outcome.value.type === "refused") return finish(context, state, deps, outcome.value);
  const { mesh, blocks } = request;
  state.copies = new Set(blocks.map((block) => block.id));
  state.onlyCopies = new Set(state.copies);
  adoptMesh(context, state, { mesh, blocks, founded: false });
  finish(context, state, deps, null);
}

function underWay(state: MembersState, operationId: number): Operation | undefined {
  const first = state.operations[0];
  return first?.id === operationId ? first : undefined;
}

/** Answers the request under way (null: it succeeded) and goes on with the next one. */
function finish(
  context: Ctx,
  state: MembersState,
  deps: MembersDependencies,
  refusal: Refusal | null,
): void {
  const operation = state.operations.shift();
  invariant(operation !== undefined, "a request ended that never started");
  const { request } = operation;
  if (refusal !== null) answer(context, request, refusal);
  else succeed(context, state.fold, request);
  startNext(context, state, deps);
}
