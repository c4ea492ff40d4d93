/** Which endpoint a session belongs to: read from a request, told to the client with the answer. Spec: GEP-1619. */
import type { BackendTarget } from '../config/backend-target.ts';
import { type ForwardAction, nextBackend, type RouteBackend } from '../config/route.ts';
import type { SessionPersistence } from '../config/session-persistence.ts';
import type { RequestView } from './request-view.ts';
import { cookieValue } from './session-hash.ts';
import type { UpstreamEndpoint } from './upstream.ts';

/** `<tag>.<first second>.<last second>`, seconds in base 36. */
const tokenForm = /^([A-Za-z0-9_-]{16})\.([0-9a-z]{1,9})\.([0-9a-z]{1,9})$/;

/**
 * The token names the endpoint by a digest and holds nothing that is worth forging: a client that makes one up chooses among the
 * endpoints of a service that it may call anyway.
 */
export class RequestSession {
  /** Of the endpoint; undefined: a new session. */
  readonly tag: string | undefined;
  readonly #rules: SessionPersistence;
  readonly #nowSec: number;
  readonly #startSec: number;

  constructor(rules: SessionPersistence, view: RequestView, wallTimeMs: number) {
    const { carrier, absoluteMs, idleMs } = rules;
    this.#rules = rules;
    this.#nowSec = Math.floor(wallTimeMs / 1000);
    const text =
      carrier.kind === 'cookie' ? cookieValue(view.header('cookie'), carrier.name) : view.header(carrier.name);
    const [, tag, start = '', last = ''] = tokenForm.exec(text ?? '') ?? [];
    const startSec = Number.parseInt(start, 36);
    const isOver =
      isPast(startSec, absoluteMs, this.#nowSec) || isPast(Number.parseInt(last, 36), idleMs, this.#nowSec);
    this.tag = isOver ? undefined : tag;
    this.#startSec = this.tag === undefined ? this.#nowSec : startSec;
  }

  /** What the client is to be told when this endpoint has answered; undefined: it knows. */
  answerHeader(endpoint: UpstreamEndpoint): readonly [name: string, value: string] | undefined {
    const { carrier, absoluteMs, idleMs } = this.#rules;
    const isKnown = endpoint.sessionTag === this.tag;
    if (isKnown && idleMs === undefined && carrier.kind === 'cookie') return undefined;
    const startSec = isKnown ? this.#startSec : this.#nowSec;
    const token = `${endpoint.sessionTag}.${startSec.toString(36)}.${this.#nowSec.toString(36)}`;
    if (carrier.kind === 'header') return [carrier.name, token];
    const restSec = absoluteMs === undefined ? undefined : startSec + Math.ceil(absoluteMs / 1000) - this.#nowSec;
    const age = carrier.isPermanent && restSec !== undefined ? `; Max-Age=${restSec}` : '';
    return ['set-cookie', `${carrier.name}=${token}; Path=${carrier.path}${age}; HttpOnly`];
  }
}

/** A session stays with the backend that has its endpoint, whatever the weights say by now. */
export function chooseBackend(
  action: ForwardAction,
  tag: string | undefined,
  hasEndpoint: (target: BackendTarget, tag: string) => boolean,
): RouteBackend | undefined {
  if (tag === undefined || action.choice === undefined) return nextBackend(action);
  const own = action.backends.find(({ target }) => target.kind === 'backend' && hasEndpoint(target.backend, tag));
  return own ?? nextBackend(action);
}

function isPast(sinceSec: number, limitMs: number | undefined, nowSec: number): boolean {
  // A moment in the future was never given out: another proxy's clock may be ahead by seconds, not by minutes.
  return sinceSec > nowSec + 60 || (limitMs !== undefined && (nowSec - sinceSec) * 1000 >= limitMs);
}
