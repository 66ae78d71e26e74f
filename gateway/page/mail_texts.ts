/** The words of the first page about messages, in the languages it speaks. */
import type { DeliveryState } from "../../actors/mail_handle.ts";

export interface MailTexts {
  readonly title: string;
  readonly none: string;
  readonly unread: (count: number) => string;
  readonly group: string;
  readonly you: string;
  readonly back: string;
  readonly noMessages: string;
  readonly older: string;
  readonly to: string;
  readonly choose: string;
  readonly write: string;
  readonly send: string;
  readonly sent: string;
  readonly nobody: string;
  readonly partial: string;
  readonly states: Readonly<Record<DeliveryState, string>>;
}

export const enMail: MailTexts = {
  title: "Conversations",
  none: "No messages yet.",
  unread: (count) => `${count} unread`,
  group: "Group",
  you: "You",
  back: "All conversations",
  noMessages: "Nothing written here yet.",
  older: "Only the newest messages are shown here; submind conversations show has them all.",
  to: "To",
  choose: "Choose somebody",
  write: "Message",
  send: "Send",
  sent: "Sent.",
  nobody: "Pair another device to write to it.",
  partial: "not all here yet",
  states: {
    queued: "waiting",
    carried: "on its way",
    delivered: "delivered",
    read: "read",
    expired: "expired",
    failed: "failed",
  },
};

export const deMail: MailTexts = {
  title: "Gespräche",
  none: "Noch keine Nachrichten.",
  unread: (count) => `${count} ungelesen`,
  group: "Gruppe",
  you: "Sie",
  back: "Alle Gespräche",
  noMessages: "Hier steht noch nichts.",
  older: "Hier stehen nur die neuesten; alle zeigt submind conversations show.",
  to: "An",
  choose: "Jemanden wählen",
  write: "Nachricht",
  send: "Senden",
  sent: "Gesendet.",
  nobody: "Koppeln Sie ein anderes Gerät, um ihm zu schreiben.",
  partial: "noch nicht ganz hier",
  states: {
    queued: "wartet",
    carried: "unterwegs",
    delivered: "zugestellt",
    read: "gelesen",
    expired: "verfallen",
    failed: "gescheitert",
  },
};
