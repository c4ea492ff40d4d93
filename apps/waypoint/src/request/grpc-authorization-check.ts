/** Asks a gRPC service about a request. Spec: envoy.service.auth.v3.Authorization. Istio: envoyExtAuthzGrpc. */
import { authorization as messages } from '@ambit/api';
import { frameOf } from '@ambit/grpc';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';

import type { AuthorizationProvider } from '../config/authorization-provider.ts';
import type { AuthorizationCheck, CheckUser, CheckVerdict, ShownBody } from './authorization-check.ts';
import { type UnaryAnswer, UnaryExchange } from './unary-exchange.ts';
import { grpcAnswer, grpcCallHead } from './grpc-call.ts';
import { localReply } from './local-reply.ts';
import type { RequestSurroundings } from './request-surroundings.ts';
import type { RequestView } from './request-view.ts';

const { HeaderValueOption_HeaderAppendAction: Action } = messages;
const path = '/envoy.service.auth.v3.Authorization/Check';

type Headers = readonly (readonly [name: string, value: string])[];

export class GrpcAuthorizationCheck implements AuthorizationCheck {
  readonly #surroundings: RequestSurroundings;
  readonly #provider: AuthorizationProvider;
  readonly #view: RequestView;
  readonly #body: ShownBody | undefined;
  readonly #exchange: UnaryExchange;

  constructor(
    surroundings: RequestSurroundings,
    provider: AuthorizationProvider,
    view: RequestView,
    body: ShownBody | undefined,
    user: CheckUser,
  ) {
    this.#surroundings = surroundings;
    this.#provider = provider;
    this.#view = view;
    this.#body = body;
    this.#exchange = new UnaryExchange(surroundings, provider, (answer) => user.onVerdict(verdictOf(answer, view)));
  }

  start(): void {
    const frame = question(this.#view, this.#body, this.#surroundings.wallTimeMs());
    this.#exchange.start(grpcCallHead(this.#provider, path), frame, this.#view);
  }

  cancel(): void {
    this.#exchange.cancel();
  }
}

/** The message with its prefix. */
function question(view: RequestView, body: ShownBody | undefined, wallTimeMs: number): Uint8Array {
  const { head, facts } = view;
  const headers: Record<string, string> = {
    ':method': head.method,
    ':path': view.path + view.query,
    ':authority': head.authority,
    ':scheme': view.scheme,
  };
  for (let i = 0; i < head.fields.length; i++) {
    const name = head.fields.nameAt(i);
    headers[name] = head.fields.joined(name) ?? '';
  }
  if (body !== undefined) headers['x-envoy-auth-partial-body'] = String(body.isPartial);
  const message = create(messages.CheckRequestSchema, {
    attributes: {
      source: {
        address: { socketAddress: { address: facts.sourceAddress, portValue: portOf(facts.remoteAddress) } },
        principal: facts.peer === undefined ? '' : `spiffe://${facts.peer.principal}`,
      },
      destination: {
        address: { socketAddress: { address: facts.destinationAddress, portValue: facts.destinationPort } },
      },
      request: {
        time: timestampFromMs(wallTimeMs),
        http: {
          id: head.fields.get('x-request-id') ?? '',
          method: head.method,
          headers,
          path: view.path + view.query,
          host: head.authority,
          scheme: view.scheme,
          size: BigInt(head.contentLength ?? (head.hasBody ? -1 : 0)),
          protocol: head.protocol,
          body: body === undefined ? '' : Buffer.from(body.bytes).toString('utf8'),
        },
      },
    },
  });
  return frameOf(toBinary(messages.CheckRequestSchema, message));
}

function portOf(address: string): number {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  return Number.isInteger(port) ? port : 0;
}

function verdictOf(answer: UnaryAnswer | undefined, view: RequestView): CheckVerdict {
  const response = grpcAnswer(answer, (bytes) => fromBinary(messages.CheckResponseSchema, bytes));
  if (response === undefined) return { kind: 'failed' };
  const { httpResponse } = response;
  // Some services leave the status out when they allow. A message that says nothing at all is no permission.
  const isAllowed = response.status === undefined ? httpResponse.case === 'okResponse' : response.status.code === 0;
  if (!isAllowed) {
    const denied = httpResponse.case === 'deniedResponse' ? httpResponse.value : undefined;
    const code = denied?.status?.code ?? 0;
    const status = code >= 200 && code <= 599 ? code : 403;
    const headers = (denied?.headers ?? []).flatMap(pairOf);
    const body = denied?.body ?? '';
    return { kind: 'denied', reply: localReply(status, body, 'ext_authz_denied', { flag: 'UAEX', headers }) };
  }
  const ok = httpResponse.case === 'okResponse' ? httpResponse.value : undefined;
  const options = ok?.headers ?? [];
  return {
    kind: 'allowed',
    edits: {
      removedHeaders: (ok?.headersToRemove ?? []).map((name) => name.toLowerCase()),
      setHeaders: options.filter((option) => isSet(option, view)).flatMap(pairOf),
      addedHeaders: options.filter(({ append }) => append === true).flatMap(pairOf),
      responseHeaders: (ok?.responseHeadersToAdd ?? []).flatMap(pairOf),
    },
  };
}

/** Without a word headers are set, as Envoy does; it is the old field that asks for another one. */
function isSet({ append, appendAction, header }: messages.HeaderValueOption, view: RequestView): boolean {
  if (append === true) return false;
  const isPresent = view.header(header?.key.toLowerCase() ?? '') !== undefined;
  if (appendAction === Action.ADD_IF_ABSENT) return !isPresent;
  return appendAction === Action.OVERWRITE_IF_EXISTS ? isPresent : true;
}

function pairOf({ header }: messages.HeaderValueOption): Headers {
  if (header === undefined || header.key === '') return [];
  const value = header.rawValue.length > 0 ? header.rawValue : Buffer.from(header.value, 'utf8');
  return [[header.key.toLowerCase(), Buffer.from(value).toString('latin1')]];
}
