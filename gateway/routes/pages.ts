/** What a browser gets: the first page and its parts, login, the API reference, and their files. */
import type { Context } from "hono";
import { setCookie } from "hono/cookie";
import { COOKIE, type GatewayEnv, type GatewayHono, type GatewayParts } from "../environment.ts";
import { devices, newestBlocks, searchResults } from "../page/fragments.ts";
import { conversations, messages, openConversation } from "../page/mail_fragments.ts";
import { madeInvite, pairing } from "../page/pairing_fragments.ts";
import { firstPage, loginPage, referencePage } from "../page/pages.ts";
import { textsFor } from "../page/texts.ts";
import { problemResponse, refusalResponse } from "../problems.ts";
import { OWNER } from "../tokens.ts";

/** How long a browser stays logged in, ms. */
const LOGIN_VALID_MS = 30 * 86_400_000;

const ASSETS = {
  "page.css": { url: new URL("../page/page.css", import.meta.url), type: "text/css" },
  "page.js": { url: new URL("../page/page.js", import.meta.url), type: "text/javascript" },
  "reference.js": {
    url: new URL("../page/reference.js", import.meta.url),
    type: "text/javascript",
  },
  "icon.svg": { url: new URL("../page/icon.svg", import.meta.url), type: "image/svg+xml" },
} as const;

function texts(c: Context<GatewayEnv>) {
  return textsFor(c.req.header("Accept-Language"));
}

function assetRoutes(app: GatewayHono): void {
  for (const [name, { url, type }] of Object.entries(ASSETS)) {
    // Read once at the start: a missing file is then noticed by whoever packs the program, not by its user.
    const text = Deno.readTextFileSync(url);
    app.get(`/assets/${name}`, () => {
      return new Response(text, {
        headers: { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-cache" },
      });
    });
  }
}

/** The methods that some route answers at `path`; middleware is none. */
function methodsAt(app: GatewayHono, path: string): readonly string[] {
  const served = ["GET", "POST", "PUT", "PATCH", "DELETE"].filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method)
  );
  return served.includes("GET") ? ["HEAD", ...served] : served;
}

/** Adds the pages, and the answer where there is nothing. */
export function pageRoutes(app: GatewayHono, parts: GatewayParts): void {
  const { node, tokens, logins, secure, clock } = parts;
  assetRoutes(app);

  app.get("/", async (c) => {
    if (c.get("principal") === undefined) return c.html(loginPage(texts(c), "needed"), 401);
    const question = (c.req.query("q") ?? "").slice(0, 512);
    const conversation = openConversation(c.req.query("conversation"));
    const nowMs = clock.wallMs();
    return c.html(await firstPage(node, texts(c), { question, nowMs, conversation }));
  });

  app.get("/login", async (c) => {
    // Programs that look whether a link works ask with HEAD: that must not use it up.
    if (c.req.method === "HEAD") return c.body(null);
    if (!logins.redeem(c.req.query("code") ?? "")) {
      return c.html(loginPage(texts(c), "expired"), 403);
    }
    const token = await tokens.mint({ subject: OWNER, scope: "full", validMs: LOGIN_VALID_MS });
    setCookie(c, COOKIE, token, {
      httpOnly: true,
      sameSite: "Strict",
      path: "/",
      secure,
      maxAge: LOGIN_VALID_MS / 1_000,
    });
    // Not a redirect: a Strict cookie is withheld from a navigation that began in another program.
    c.header("Refresh", "0; url=/");
    return c.html(loginPage(texts(c), "done"));
  });

  app.get("/page/blocks", async (c) => c.html(await newestBlocks(node, texts(c))));
  app.get("/page/devices", async (c) => c.html(await devices(node, texts(c))));
  app.get("/page/conversations", async (c) => {
    const open = openConversation(c.req.query("conversation"));
    return c.html(await conversations(node, texts(c), open));
  });
  app.get("/page/messages", async (c) => {
    const open = openConversation(c.req.query("conversation"));
    if (open === undefined) {
      return problemResponse("invalid", "query.conversation is missing or no conversation id");
    }
    return c.html(await messages(node, texts(c), open));
  });
  app.get("/page/pairing", async (c) => c.html(await pairing(node, clock.wallMs(), texts(c))));
  // The node tells link and code in this one answer only, so it is the answer that shows them.
  app.post("/page/invites", async (c) => {
    const outcome = await node.createInvite({ role: "submind" });
    if (outcome.type === "refused") return refusalResponse(outcome);
    return c.html(await madeInvite(outcome.value, clock.wallMs(), texts(c)), 201);
  });
  app.get(
    "/page/search",
    async (c) => c.html(await searchResults(node, c.req.query("q") ?? "", texts(c))),
  );

  app.get("/docs", (c) => c.html(referencePage(texts(c))));

  app.notFound((c) => {
    const { method, path } = c.req;
    const shown = path.slice(0, 200);
    const allowed = methodsAt(app, path);
    if (allowed.length === 0) return problemResponse("notFound", `there is no ${shown}`);
    return problemResponse(
      "methodNotAllowed",
      `${method} ${shown}: expected ${allowed.join(", ")}`,
      {
        headers: { Allow: allowed.join(", ") },
      },
    );
  });
}
