/**
 * HTTP requests to the API server over kept-alive TLS connections. It knows credentials and bounds, no objects.
 * HTTP/1.1 on purpose: each watch has a connection of its own, so one that stalls holds up nothing else.
 */
import { once } from 'node:events';
import { Agent as PlainAgent, type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent, request as tlsRequest, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { finished } from 'node:stream/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { ClusterAccess } from './cluster-access.ts';
import { errorOfStatus, KubeError, toKubeError } from './kube-error.ts';
import { PROTOBUF, readEnvelope } from './protobuf/object-envelope.ts';

/** One request. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body; default `application/json`. */
  readonly contentType?: string;
  /** Default `application/json`. */
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
  /** Until the headers of the answer, and for `json` until its end, milliseconds. */
  readonly timeoutMs: number;
}

/** Watches and the requests beside them; more would only wait inside the API server. */
const MAX_SOCKETS = 128;
/** Connections kept for the next burst, of token reviews above all: a new one costs several requests. */
const MAX_FREE_SOCKETS = 32;
/** An answer that is an error is read up to here. */
const MAX_ERROR_BYTES = 256 * 1024;

export class ApiTransport {
  readonly #access: ClusterAccess;
  readonly #userAgent: string;
  readonly #agent: Agent | PlainAgent;
  #context: { readonly of: Credentials; readonly context: SecureContext } | undefined;

  /** Throws KubeError `ACCESS` for an address that is neither https nor http on loopback. */
  constructor(access: ClusterAccess, userAgent: string) {
    const { protocol, hostname } = access.server;
    const isLoopback = hostname === '[::1]' || hostname.startsWith('127.');
    if (protocol !== 'https:' && !(protocol === 'http:' && isLoopback && access.token === undefined)) {
      throw new KubeError('ACCESS', `the API server ${access.server.origin} is not https; credentials need it`);
    }
    this.#access = access;
    this.#userAgent = userAgent;
    const options = {
      keepAlive: true,
      keepAliveMsecs: 15_000,
      maxSockets: MAX_SOCKETS,
      maxFreeSockets: MAX_FREE_SOCKETS,
    };
    this.#agent = protocol === 'https:' ? new Agent(options) : new PlainAgent(options);
  }

  /** Closes idle connections and breaks the others. */
  close(): void {
    this.#agent.destroy();
  }

  /** A whole answer as parsed JSON; undefined for an empty one. Rejects with KubeError. */
  json(request: ApiRequest, maxBytes: number): Promise<unknown> {
    return this.#inTime(request, async (answer, what) => {
      const text = (await readBytes(answer, maxBytes, what, 'refuse')).toString('utf8');
      return text === '' ? undefined : parse(text, what);
    });
  }

  /** Resolves when the server has done it; what it answers is thrown away. Rejects with KubeError. */
  unread(request: ApiRequest): Promise<void> {
    return this.#inTime(request, async (answer) => {
      answer.resume();
      await finished(answer);
    });
  }

  /**
   * An answer that goes on until `signal` is aborted or the server ends it. Rejects with KubeError when it does not
   * begin; breaking off the iteration of the answer closes its connection.
   */
  async stream(request: ApiRequest & { readonly signal: AbortSignal }): Promise<IncomingMessage> {
    const what = `${request.method} ${request.path}`;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error('no answer in time')), request.timeoutMs);
    try {
      return await this.#open(request, AbortSignal.any([request.signal, late.signal]), what);
    } catch (cause) {
      throw failure(cause, what, request.signal, late.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  async #inTime<T>(request: ApiRequest, read: (answer: IncomingMessage, what: string) => Promise<T>): Promise<T> {
    const what = `${request.method} ${request.path}`;
    const deadline = AbortSignal.timeout(request.timeoutMs);
    const signal = request.signal === undefined ? deadline : AbortSignal.any([request.signal, deadline]);
    try {
      return await read(await this.#open(request, signal, what), what);
    } catch (cause) {
      throw failure(cause, what, request.signal, deadline);
    }
  }

  async #open(request: ApiRequest, signal: AbortSignal, what: string): Promise<IncomingMessage> {
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const options = await this.#options(request, body);
    const answer = await this.#send(options, body, signal);
    const { statusCode = 0 } = answer;
    if (statusCode >= 200 && statusCode < 300) return answer;
    const told = await readBytes(answer, MAX_ERROR_BYTES, what, 'truncate');
    const retryAfterSec = Number(answer.headers['retry-after']);
    const retryAfterMs = retryAfterSec > 0 ? Math.min(retryAfterSec, 60) * 1000 : undefined;
    throw errorOfStatus(statusCode, parseLoosely(answer, told), what, retryAfterMs);
  }

  async #options(request: ApiRequest, body: Buffer | undefined): Promise<RequestOptions> {
    const { server, caPem, clientCertificatePem, clientKeyPem, serverName } = this.#access;
    const token = await this.#access.token?.();
    const host = server.hostname.replace(/^\[|\]$/g, '');
    const name = serverName ?? host;
    const base = server.pathname.replace(/\/$/, '');
    return {
      agent: this.#agent,
      protocol: server.protocol,
      host,
      port: server.port === '' ? (server.protocol === 'https:' ? 443 : 80) : server.port,
      method: request.method,
      path: base + request.path + queryText(request.query),
      headers: {
        accept: request.accept ?? 'application/json',
        'user-agent': this.#userAgent,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined
          ? {}
          : { 'content-type': request.contentType ?? 'application/json', 'content-length': body.length }),
      },
      // The agent keeps connections apart by these, so a rotated root or certificate opens new ones.
      ...(server.protocol === 'https:' ? { secureContext: this.#secureContext() } : {}),
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(caPem === undefined ? {} : { ca: caPem }),
      ...(clientCertificatePem === undefined ? {} : { cert: clientCertificatePem }),
      ...(clientKeyPem === undefined ? {} : { key: clientKeyPem }),
    };
  }

  /** Reading roots takes longer than a request, so it is done once for each set of them. */
  #secureContext(): SecureContext {
    const { caPem: ca, clientCertificatePem: cert, clientKeyPem: key } = this.#access;
    const known = this.#context;
    if (known !== undefined && known.of.ca === ca && known.of.cert === cert && known.of.key === key)
      return known.context;
    const context = createSecureContext({
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
    this.#context = { of: { ca, cert, key }, context };
    return context;
  }

  async #send(options: RequestOptions, body: Buffer | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    const open = this.#access.server.protocol === 'https:' ? tlsRequest : plainRequest;
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      const sent = open({ ...options, signal });
      try {
        // A socket error after the answer has begun reaches the answer too; here it must only not be unhandled.
        sent.on('error', () => undefined);
        const answered = once(sent, 'response');
        sent.end(body);
        const [answer]: IncomingMessage[] = await answered;
        if (answer === undefined) throw new KubeError('UNREACHABLE', 'no answer');
        return answer;
      } catch (cause) {
        // The server may close an idle connection in the moment in which it is used again.
        if (attempt === 0 && sent.reusedSocket && isReset(cause)) continue;
        throw cause;
      }
    }
  }
}

interface Credentials {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

function queryText(query: ApiRequest['query']): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(key, value);
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}

async function readBytes(
  answer: IncomingMessage,
  maxBytes: number,
  what: string,
  excess: 'refuse' | 'truncate',
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    if (!(chunk instanceof Uint8Array)) continue;
    bytes += chunk.length;
    if (bytes > maxBytes) {
      if (excess === 'truncate') break;
      throw new KubeError('TOO_LARGE', `${what}: the answer is larger than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KubeError('MALFORMED', `${what}: the answer is not JSON`, { cause });
  }
}

/** The Status in the form that the request asked for, or undefined. */
function parseLoosely(answer: IncomingMessage, body: Buffer): unknown {
  try {
    const isProtobuf = answer.headers['content-type']?.startsWith(PROTOBUF) === true;
    return isProtobuf ? readEnvelope(body) : JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function isReset(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE');
}

/** What to throw: the caller's own reason when it aborted, else a KubeError. */
function failure(cause: unknown, what: string, outer: AbortSignal | undefined, deadline: AbortSignal): unknown {
  if (outer?.aborted === true) return outer.reason;
  if (deadline.aborted && !(cause instanceof KubeError)) {
    return new KubeError('TIMEOUT', `${what}: no answer in time`, { cause });
  }
  return toKubeError(cause, what);
}
