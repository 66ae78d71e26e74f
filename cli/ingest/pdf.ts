/** PDF as pieces: the text of each page, in reading order as far as the file tells it. */
import { extractText, getDocumentProxy, getMeta } from "unpdf";
import type { ParsedDocument } from "./section.ts";

/** Further pages are refused rather than read silently in part. */
export const PDF_PAGES_MAX = 5_000;

/** Understands a PDF. Throws when the file is damaged, encrypted or has too many pages; the message says which. */
export async function parsePdf(bytes: Uint8Array): Promise<ParsedDocument> {
  // pdf.js takes the buffer over: it gets a copy.
  const document = await getDocumentProxy(bytes.slice(), { verbosity: 0 });
  try {
    if (document.numPages > PDF_PAGES_MAX) {
      throw new RangeError(`it has ${document.numPages} pages, expected at most ${PDF_PAGES_MAX}`);
    }
    const { text: pages } = await extractText(document, { mergePages: false });
    const pieces = pages.flatMap((text, index) =>
      text.split(/\n\s*\n/).map((part) => ({ text: part, heading: null, page: index + 1 }))
    );
    return { title: await titleOf(document), mediaType: "text/plain", pieces };
  } finally {
    await document.loadingTask.destroy();
  }
}

async function titleOf(
  document: Awaited<ReturnType<typeof getDocumentProxy>>,
): Promise<string | null> {
  const { info } = await getMeta(document);
  const title: unknown = info["Title"];
  return typeof title === "string" && title.trim() !== "" ? title.trim().slice(0, 200) : null;
}
