/** Requests and answers about backups that are kept for other devices, as zod schemas. */
import { z } from "@hono/zod-openapi";
import { isDeviceName, NAMES_ASKED_MAX } from "../protocols/backup/format.ts";
import type { BackupVersion, KeptBackups } from "../store/backup_vault.ts";
import { identical, type Matches } from "./schema_identity.ts";
import { count, deviceIdSchema } from "./schemas.ts";

export const deviceNameSchema = z.string().max(64)
  .refine(isDeviceName, "expected a name of a-z, 0-9, dot, line and underscore")
  .openapi({
    description: "The name that the device's token was made for.",
    pattern: "^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$",
    example: "laptop",
  });
export const pieceNameSchema = z.string()
  .regex(/^[0-9a-f]{64}$/, "expected 64 lower-case hex digits")
  .openapi({ description: "SHA-256 of the sealed piece, hex.", example: "0".repeat(64) });
export const versionNumberSchema = z.coerce.number().int().min(1).max(999_999_999_999_999);

export const backupVersionSchema = z.strictObject({
  version: z.int().min(1),
  deviceId: deviceIdSchema.openapi({ description: "Who signed it." }),
  timeMs: z.int().openapi({ description: "The device's clock: a claim." }),
  bytes: count().openapi({ description: "Plain bytes of its files: a claim." }),
  files: count(),
  pieces: count(),
}).openapi("BackupVersion");

export const keptBackupsSchema = z.strictObject({
  device: z.string(),
  bytes: count().openapi({ description: "Sealed bytes of all pieces." }),
  bytesMax: count(),
  versions: z.array(backupVersionSchema),
}).openapi("KeptBackups");

export const backupsSchema = z.strictObject({
  device: z.string().nullable().openapi({
    description: "The name this token stands for; null for the owner's.",
  }),
  devices: z.array(keptBackupsSchema),
});

export const askedPiecesSchema = z.strictObject({
  pieces: z.array(pieceNameSchema).min(1).max(NAMES_ASKED_MAX),
});
export const missingPiecesSchema = z.strictObject({ missing: z.array(pieceNameSchema) });
export const putPieceSchema = z.strictObject({
  added: z.boolean().openapi({ description: "False when it was here already." }),
});

identical<[
  Matches<typeof backupVersionSchema, BackupVersion>,
  Matches<typeof keptBackupsSchema, KeptBackups>,
]>(true, true);
