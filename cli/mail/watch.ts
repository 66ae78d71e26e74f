/** Messages as they arrive: everything unread first, then live; a node that stops for a while is waited for. */
import type { MessageView } from "../../actors/mail_handle.ts";
import { clientOf, type CommandContext } from "../command.ts";
import { CliError } from "../exit_codes.ts";
import { sleep } from "../wait.ts";
import { unreadMessages } from "./unread.ts";

const RETRY_MS = 2_000;
/** Ids remembered so that nothing is shown twice after a reconnection. */
const SHOWN_MAX = 20_000;

/**
 * Batches of messages nobody has read, until `context.interrupted`. Only of conversation `only` when it is named.
 *
 * @throws {CliError} when the node cannot be reached at the beginning, or refuses
 */
export async function* watchMessages(
  context: CommandContext,
  { only, limit }: { readonly only: string | null; readonly limit: number },
): AsyncGenerator<readonly MessageView[]> {
  const shown = new Set<string>();
  const fresh = (messages: readonly MessageView[]) => {
    const news = messages.filter(({ message }) => !shown.has(message));
    for (const { message } of news) shown.add(message);
    for (const oldest of shown) {
      if (shown.size <= SHOWN_MAX) break;
      shown.delete(oldest);
    }
    return news;
  };
  const unread = async () => {
    const all = await clientOf(context).mail.conversations();
    const chosen = all.filter(({ conversation }) => only === null || conversation === only);
    return fresh(await unreadMessages(clientOf(context), chosen, limit));
  };
  let connected = false;
  while (!context.interrupted.aborted) {
    try {
      for await (const event of withOpening(context)) {
        connected = true;
        if (event === "opened" || event.type === "messageReceived") {
          const news = await unread();
          if (news.length > 0) yield news;
        }
      }
    } catch (error) {
      if (context.interrupted.aborted) return;
      const gone = error instanceof CliError &&
        (error.code === "notRunning" || error.code === "timedOut");
      if (!connected || (error instanceof CliError && !gone)) throw error;
    }
    if (context.interrupted.aborted) return;
    context.output.note(context.texts.mail.lost);
    await sleep(context.clock, RETRY_MS, context.interrupted);
  }
}

/** The node's events, and first of all that they are being watched: what is read after that misses nothing. */
async function* withOpening(context: CommandContext) {
  const opening = Promise.withResolvers<"opened">();
  const events = clientOf(context).events(
    context.interrupted,
    () => opening.resolve("opened"),
  );
  let next = events.next();
  // A failure to connect is told by `next`; a stream that ends at once opens all the same.
  yield await Promise.race([opening.promise, next.then(() => "opened" as const)]);
  while (true) {
    const { value, done } = await next;
    if (done) return;
    yield value;
    next = events.next();
  }
}
