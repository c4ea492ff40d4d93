/** What an external authorisation service says of a request. Spec: contract l7 4.7. */
import type { FieldList } from '@ambit/exchange';

import type { LocalReply } from './local-reply.ts';

/** Changes that a service asks for; names in lower case. */
export interface CheckEdits {
  readonly removedHeaders: readonly string[];
  readonly setHeaders: readonly (readonly [name: string, value: string])[];
  readonly addedHeaders: readonly (readonly [name: string, value: string])[];
  /** On the answer to the client. */
  readonly responseHeaders: readonly (readonly [name: string, value: string])[];
}

export type CheckVerdict =
  | { readonly kind: 'allowed'; readonly edits: CheckEdits }
  | { readonly kind: 'denied'; readonly reply: LocalReply }
  /** No answer that means anything. */
  | { readonly kind: 'failed' };

/** Who waits for the verdict; called once, perhaps before `start` returns. */
export interface CheckUser {
  onVerdict(verdict: CheckVerdict): void;
}

/** One question to one service. */
export interface AuthorizationCheck {
  start(): void;
  /** No verdict any more. */
  cancel(): void;
}

/** The part of a request's body that is shown to the service. */
export interface ShownBody {
  readonly bytes: Uint8Array;
  /** There is more. */
  readonly isPartial: boolean;
}

/** Carries the edits out. What no message may hold, or belongs to its framing, is left out. */
export function applyCheckEdits(fields: FieldList, edits: CheckEdits): void {
  for (const name of edits.removedHeaders) if (isOpen(name)) fields.remove(name);
  for (const [name, value] of edits.setHeaders) {
    if (!isOpen(name)) continue;
    fields.remove(name);
    fields.addChecked(name, value);
  }
  for (const [name, value] of edits.addedHeaders) if (isOpen(name)) fields.addChecked(name, value);
}

function isOpen(lowerName: string): boolean {
  return !framing.has(lowerName) && !lowerName.startsWith(':');
}

const framing: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
]);
