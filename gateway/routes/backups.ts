/** Backups kept for other devices: sealed pieces in and out, and versions that name them. This node cannot read any of it. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { ContentHash } from "../../protocols/ids.ts";
import type { BackupVault, KeptBackups, VaultRefusal } from "../../store/backup_vault.ts";
import {
  askedPiecesSchema,
  backupsSchema,
  backupVersionSchema,
  deviceNameSchema,
  keptBackupsSchema,
  missingPiecesSchema,
  pieceNameSchema,
  putPieceSchema,
  versionNumberSchema,
} from "../backup_schemas.ts";
import type { GatewayEnv, GatewayHono, GatewayParts } from "../environment.ts";
import { problemResponse } from "../problems.ts";
import { OWNER } from "../tokens.ts";
import { json, jsonBody, other, PROBLEMS, sent } from "./route_helpers.ts";

const tags = ["backups"];
const BYTES = "application/octet-stream";
const device = z.strictObject({ device: deviceNameSchema });
const piece = z.strictObject({ device: deviceNameSchema, name: pieceNameSchema });
const version = z.strictObject({ device: deviceNameSchema, version: versionNumberSchema });
const binaryBody = {
  body: {
    required: true,
    content: { [BYTES]: { schema: z.string().openapi({ format: "binary" }) } },
  },
} as const;

const listRoute = createRoute({
  method: "get",
  path: "/v1/backups",
  tags,
  summary: "What is kept for the device of this token; for the owner, of all devices",
  responses: { 200: json(backupsSchema, "Now."), ...PROBLEMS },
});

const deviceRoute = createRoute({
  method: "get",
  path: "/v1/backups/{device}",
  tags,
  summary: "What is kept for one device",
  request: { params: device },
  responses: { 200: json(keptBackupsSchema, "Now."), ...PROBLEMS },
});

const missingRoute = createRoute({
  method: "post",
  path: "/v1/backups/{device}/missing",
  tags,
  summary: "Which of these pieces still have to be brought",
  request: { params: device, ...jsonBody(askedPiecesSchema) },
  responses: { 200: json(missingPiecesSchema, "In the order asked."), ...PROBLEMS },
});

const putRoute = createRoute({
  method: "put",
  path: "/v1/backups/{device}/pieces/{name}",
  tags,
  summary: "Bring a sealed piece",
  request: { params: piece, ...binaryBody },
  responses: { 200: json(putPieceSchema, "On the disk."), ...PROBLEMS },
});

const pieceRoute = createRoute({
  method: "get",
  path: "/v1/backups/{device}/pieces/{name}",
  tags,
  summary: "A sealed piece",
  request: { params: piece },
  responses: { 200: other(BYTES, "The piece."), ...PROBLEMS },
});

const commitRoute = createRoute({
  method: "post",
  path: "/v1/backups/{device}/versions",
  tags,
  summary: "Add a version",
  description:
    "Answered when everything it names is durable. Refused when a piece is missing or its signature is wrong. Versions beyond " +
    "the limit of this node go, the oldest first, with the pieces that only they named.",
  request: { params: device, ...binaryBody },
  responses: { 201: json(backupVersionSchema, "Durable."), ...PROBLEMS },
});

const versionRoute = createRoute({
  method: "get",
  path: "/v1/backups/{device}/versions/{version}",
  tags,
  summary: "A version, as its device has signed it",
  request: { params: version },
  responses: { 200: other(BYTES, "The version."), ...PROBLEMS },
});

function keptJson(kept: KeptBackups): z.output<typeof keptBackupsSchema> {
  return { ...kept, versions: kept.versions.map((each) => ({ ...each })) };
}

function refusal({ reason, message }: VaultRefusal): never {
  return sent(problemResponse(reason, message));
}

/** Sealed bytes: never a page, never kept by a browser. */
function bytesResponse(bytes: Uint8Array<ArrayBuffer>): never {
  return sent(
    new Response(bytes, {
      headers: {
        "Content-Type": BYTES,
        "Content-Length": String(bytes.length),
        "Content-Disposition": "attachment",
      },
    }),
  );
}

/** Adds the routes of backups. Without a vault they say how to have one. */
export function backupRoutes(app: GatewayHono, { backups }: GatewayParts): void {
  /** The vault, when this request may touch the backups of `device`. */
  function vaultFor(c: Context<GatewayEnv>, device: string | null): BackupVault | Response {
    if (backups === undefined) {
      return problemResponse(
        "notFound",
        "this node keeps no backups; set backups.bytesPerDeviceMax to let it",
      );
    }
    const principal = c.get("principal");
    const isOwn = device === null || principal?.scope === "full" || principal?.subject === device;
    if (isOwn) return backups;
    const detail = `this token is for "${principal?.subject}", not for "${device}"`;
    return problemResponse("notPermitted", detail);
  }

  app.openapi(listRoute, async (c) => {
    const vault = vaultFor(c, null);
    if (vault instanceof Response) return sent(vault);
    const principal = c.get("principal");
    const isOwner = principal?.subject === OWNER && principal.scope === "full";
    const own = isOwner ? null : principal?.subject ?? null;
    const names = principal?.scope === "full" ? await vault.devices() : own === null ? [] : [own];
    const devices: z.output<typeof keptBackupsSchema>[] = [];
    for (const name of names) {
      const outcome = await vault.kept(name);
      if (outcome.type === "refused") return refusal(outcome);
      devices.push(keptJson(outcome.value));
    }
    return c.json({ device: own, devices }, 200);
  });

  app.openapi(deviceRoute, async (c) => {
    const { device } = c.req.valid("param");
    const vault = vaultFor(c, device);
    if (vault instanceof Response) return sent(vault);
    const outcome = await vault.kept(device);
    if (outcome.type === "refused") return refusal(outcome);
    return c.json(keptJson(outcome.value), 200);
  });

  app.openapi(missingRoute, async (c) => {
    const { device } = c.req.valid("param");
    const vault = vaultFor(c, device);
    if (vault instanceof Response) return sent(vault);
    const outcome = await vault.missing(device, c.req.valid("json").pieces as ContentHash[]);
    if (outcome.type === "refused") return refusal(outcome);
    return c.json({ missing: [...outcome.value] }, 200);
  });

  app.openapi(putRoute, async (c) => {
    const { device, name } = c.req.valid("param");
    const vault = vaultFor(c, device);
    if (vault instanceof Response) return sent(vault);
    const sealed = new Uint8Array(await c.req.arrayBuffer());
    const outcome = await vault.putPiece(device, name as ContentHash, sealed);
    if (outcome.type === "refused") return refusal(outcome);
    return c.json({ added: outcome.value.added }, 200);
  });

  app.openapi(pieceRoute, async (c) => {
    const { device, name } = c.req.valid("param");
    const vault = vaultFor(c, device);
    if (vault instanceof Response) return sent(vault);
    const outcome = await vault.piece(device, name as ContentHash);
    return outcome.type === "refused" ? refusal(outcome) : bytesResponse(outcome.value);
  });

  app.openapi(commitRoute, async (c) => {
    const { device } = c.req.valid("param");
    const vault = vaultFor(c, device);
    if (vault instanceof Response) return sent(vault);
    const outcome = await vault.commit(device, new Uint8Array(await c.req.arrayBuffer()));
    if (outcome.type === "refused") return refusal(outcome);
    return c.json({ ...outcome.value }, 201);
  });

  app.openapi(versionRoute, async (c) => {
    const { device, version } = c.req.valid("param");
    const vault = vaultFor(c, device);
    if (vault instanceof Response) return sent(vault);
    const outcome = await vault.version(device, version);
    return outcome.type === "refused" ? refusal(outcome) : bytesResponse(outcome.value);
  });
}
