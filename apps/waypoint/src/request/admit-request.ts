/** Tokens, then policies: the only way to a permit. CUSTOM has been settled before. Spec: contract l7 4.2, 4.5. */
import { authenticateRequest, authorizeRequest, type RequestAdmitted, type TokenEdits } from '@ambit/policy';

import type { Access } from '../config/access.ts';
import { type LocalReply, policyDenied, tokenRefused } from './local-reply.ts';
import type { RequestRecord } from './request-record.ts';
import type { RequestView } from './request-view.ts';

export type Admission =
  | { readonly kind: 'admitted'; readonly permit: RequestAdmitted }
  | { readonly kind: 'answer'; readonly reply: LocalReply };

/** Edits the head as the token rules say, and notes the verdict in the record. */
export function admitRequest(view: RequestView, access: Access, record: RequestRecord, wallTimeMs: number): Admission {
  if (access.jwtRules.length > 0) {
    const authentication = authenticateRequest(access.jwtRules, view, wallTimeMs);
    if (authentication.kind === 'refused') {
      return { kind: 'answer', reply: tokenRefused(authentication.refusal, view) };
    }
    applyTokenEdits(view, authentication.edits);
    view.token = authentication.token;
  }
  if (access.http.audit.length > 0) record.audited = access.http.audited(view);
  const authorization = authorizeRequest(access.http, view);
  record.verdict = authorization.verdict;
  return authorization.kind === 'admitted'
    ? { kind: 'admitted', permit: authorization }
    : { kind: 'answer', reply: policyDenied(authorization.details) };
}

function applyTokenEdits(view: RequestView, edits: TokenEdits): void {
  const { head } = view;
  for (const name of edits.removedHeaders) head.fields.remove(name);
  for (const [name, value] of edits.setHeaders) {
    head.fields.remove(name);
    head.fields.addChecked(name, value);
  }
  if (edits.removedParameters.length === 0) return;
  for (const name of edits.removedParameters) view.query = withoutParameter(view.query, name);
  head.target = view.path + view.query;
}

/** `query` is empty or begins with its question mark, before and after. */
function withoutParameter(query: string, name: string): string {
  const kept = query
    .slice(1)
    .split('&')
    .filter((pair) => pair !== name && !pair.startsWith(`${name}=`));
  return kept.length === 0 || query === '' ? '' : `?${kept.join('&')}`;
}
