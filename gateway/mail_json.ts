/** Messages between the node and JSON, and messages that come as a form. */
import type { z } from "@hono/zod-openapi";
import type {
  ConversationChange,
  ConversationView,
  MessageView,
  NewMessage,
} from "../actors/mail_handle.ts";
import type { DeviceId } from "../protocols/ids.ts";
import type { ConversationId } from "../protocols/mailbox/content.ts";
import type {
  conversationChangeSchema,
  conversationSchema,
  messageSchema,
  newMessageSchema,
} from "./mail_schemas.ts";

/** A message as JSON carries it. */
export function messageJson(view: MessageView): z.output<typeof messageSchema> {
  return {
    ...view,
    attachments: view.attachments.map((each) => ({ ...each })),
    deliveries: view.deliveries.map((each) => ({ ...each })),
  };
}

/** A conversation as JSON carries it. */
export function conversationJson(view: ConversationView): z.output<typeof conversationSchema> {
  return {
    ...view,
    members: [...view.members],
    last: view.last === null ? null : messageJson(view.last),
  };
}

/** The message that a request describes; the schema has checked the form of the ids. */
export function newMessageOf(value: z.output<typeof newMessageSchema>): NewMessage {
  const { conversation, to, attachments, ...rest } = value;
  return {
    ...rest,
    ...(conversation === undefined ? {} : { conversation: conversation as ConversationId }),
    ...(to === undefined ? {} : { to: to as DeviceId[] }),
    ...(attachments === undefined ? {} : {
      attachments: attachments.map((each) => ({
        ...each,
        body: Uint8Array.fromBase64(each.body),
      })),
    }),
  };
}

/** The change that a request describes. */
export function conversationChangeOf(
  value: z.output<typeof conversationChangeSchema>,
): ConversationChange {
  const { add, remove, title } = value;
  return {
    ...(title === undefined ? {} : { title }),
    ...(add === undefined ? {} : { add: add as DeviceId[] }),
    ...(remove === undefined ? {} : { remove: remove as DeviceId[] }),
  };
}

const REPEATED = new Set(["to", "attachment"]);
const NUMBERS = new Set(["validMs", "vanishMs"]);

/** A form's fields under the names of `newMessageSchema`, to be checked by it, and its files beside them as they are. */
export async function messageOfForm(form: FormData): Promise<
  {
    readonly fields: Readonly<Record<string, unknown>>;
    readonly files: NonNullable<NewMessage["attachments"]>;
  }
> {
  const fields: Record<string, unknown> = { text: "" };
  const files: { name: string; mediaType: string; body: Uint8Array }[] = [];
  for (const name of new Set(form.keys())) {
    const values = form.getAll(name);
    if (name === "attachment") {
      // A form whose file field was left empty sends one nameless file without bytes.
      for (const file of values.filter((each) => each instanceof File)) {
        if (file.name === "" && file.size === 0) continue;
        const mediaType = (file.type.split(";")[0] ?? "").trim() || "application/octet-stream";
        files.push({ name: file.name, mediaType, body: await file.bytes() });
      }
      continue;
    }
    const texts = values.map((each) => typeof each === "string" ? each : each.name);
    const [only = ""] = texts;
    // What a person left empty was not stated.
    if (only === "" && texts.length === 1 && name !== "text") continue;
    fields[name] = REPEATED.has(name)
      ? texts
      : texts.length > 1
      ? texts
      : NUMBERS.has(name) && /^\d{1,15}$/.test(only)
      ? Number(only)
      : name === "text"
      // Browsers send line ends of forms as CR LF.
      ? only.replaceAll("\r\n", "\n")
      : only;
  }
  return { fields, files };
}
