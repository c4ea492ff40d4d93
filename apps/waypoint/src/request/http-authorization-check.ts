/** Asks an HTTP service about a request: the same method and path, and 200 is yes. Istio: envoyExtAuthzHttp. */
import { FieldList, type RequestHead, type ResponseHead } from '@ambit/exchange';

import {
  type AuthorizationProvider,
  type HeaderPattern,
  type HttpAuthorization,
  matchesAny,
} from '../config/authorization-provider.ts';
import type { AuthorizationCheck, CheckUser, CheckVerdict, ShownBody } from './authorization-check.ts';
import { type UnaryAnswer, UnaryExchange } from './unary-exchange.ts';
import { localReply } from './local-reply.ts';
import type { RequestSurroundings } from './request-surroundings.ts';
import type { RequestView } from './request-view.ts';

type Headers = readonly (readonly [name: string, value: string])[];

export class HttpAuthorizationCheck implements AuthorizationCheck {
  readonly #rules: HttpAuthorization;
  readonly #view: RequestView;
  readonly #body: ShownBody | undefined;
  readonly #exchange: UnaryExchange;

  constructor(
    surroundings: RequestSurroundings,
    provider: AuthorizationProvider,
    rules: HttpAuthorization,
    view: RequestView,
    body: ShownBody | undefined,
    user: CheckUser,
  ) {
    this.#rules = rules;
    this.#view = view;
    this.#body = body;
    this.#exchange = new UnaryExchange(surroundings, provider, (answer) => user.onVerdict(verdictOf(answer, rules)));
  }

  start(): void {
    const head = checkHead(this.#view, this.#rules, this.#body);
    this.#exchange.start(head, this.#body?.bytes, this.#view);
  }

  cancel(): void {
    this.#exchange.cancel();
  }
}

function checkHead(
  { head, path, query, scheme }: RequestView,
  rules: HttpAuthorization,
  body: ShownBody | undefined,
): RequestHead {
  const fields = new FieldList();
  for (let i = 0; i < head.fields.length; i++) {
    const name = head.fields.nameAt(i);
    if (name === 'authorization' || matchesAny(rules.includedHeaders, name)) fields.add(name, head.fields.valueAt(i));
  }
  for (const [name, value] of rules.addedHeaders) {
    fields.remove(name);
    fields.addChecked(name, value);
  }
  if (body !== undefined) fields.set('x-envoy-auth-partial-body', String(body.isPartial));
  return {
    method: head.method,
    scheme,
    authority: head.authority,
    target: rules.pathPrefix + path + query,
    fields,
    protocol: head.protocol,
    contentLength: body?.bytes.length ?? 0,
    hasBody: body !== undefined,
    upgrade: undefined,
    expectsContinue: false,
  };
}

function verdictOf(answer: UnaryAnswer | undefined, rules: HttpAuthorization): CheckVerdict {
  if (answer === undefined || answer.head.status >= 500) return { kind: 'failed' };
  const { head, body } = answer;
  if (head.status === 200) {
    return {
      kind: 'allowed',
      edits: {
        removedHeaders: [],
        setHeaders: matching(head, rules.headersToUpstream),
        addedHeaders: [],
        responseHeaders: matching(head, rules.headersToDownstreamOnAllow),
      },
    };
  }
  const headers =
    rules.headersToDownstreamOnDeny.length === 0
      ? matching(head, everything)
      : matching(head, [...rules.headersToDownstreamOnDeny, ...alwaysOnDeny]);
  return { kind: 'denied', reply: localReply(head.status, body, 'ext_authz_denied', { flag: 'UAEX', headers }) };
}

const everything: readonly HeaderPattern[] = [{ kind: 'prefix', text: '' }];
const alwaysOnDeny: readonly HeaderPattern[] = [
  { kind: 'exact', text: 'www-authenticate' },
  { kind: 'exact', text: 'location' },
];

function matching({ fields }: ResponseHead, patterns: readonly HeaderPattern[]): Headers {
  const found: (readonly [string, string])[] = [];
  for (let i = 0; i < fields.length; i++) {
    const name = fields.nameAt(i);
    if (matchesAny(patterns, name)) found.push([name, fields.valueAt(i)]);
  }
  return found;
}
