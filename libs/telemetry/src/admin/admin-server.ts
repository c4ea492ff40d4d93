/**
 * The admin interface of a proxy, on port 15000 of loopback. Istio: contract data-plane 7.5; paths, methods, texts and codes
 * are ztunnel's.
 *
 * Not authenticated: it listens on loopback only, and refuses requests whose Host is not a loopback name, so that a page in
 * a browser on the node cannot reach it through a rebound name.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { LogLevels } from '../log-levels.ts';

export type AdminHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
) => Promise<void> | void;

export interface AdminServerOptions {
  /** By path, besides `/logging` and `/quitquitquit`. */
  readonly routes: Readonly<Record<string, AdminHandler>>;
  readonly logLevels: LogLevels;
  /** Begins the shutdown of the process. */
  readonly onQuit: () => void;
  readonly onError: (error: unknown) => void;
}

const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;
const loggingUsage =
  'usage: POST /logging, POST /logging?level=info, POST /logging?level=scope=debug,scope2=warn, POST /logging?reset\n';

/** Listens nowhere yet. */
export function createAdminServer({ routes, logLevels, onQuit, onError }: AdminServerOptions): Server {
  const all: Readonly<Record<string, AdminHandler>> = {
    ...routes,
    '/logging': (request, response, query) => changeLevels(request, response, query, logLevels),
    '/quitquitquit': (request, response) => {
      if (request.method !== 'POST') return answerAdmin(response, 405, 'Invalid HTTP method\n');
      answerAdmin(response, 200, 'shutdown now\n');
      onQuit();
    },
  };
  return createServer((request, response) => {
    void dispatch(all, request, response).catch((error: unknown) => {
      onError(error);
      if (response.headersSent) response.destroy();
      else answerAdmin(response, 500, 'internal error; see the log\n');
    });
  });
}

/** A whole answer; text unless said otherwise. */
export function answerAdmin(
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

async function dispatch(
  routes: Readonly<Record<string, AdminHandler>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!loopbackHost.test(request.headers.host ?? ''))
    return answerAdmin(response, 403, 'the admin interface is for loopback only\n');
  const url = new URL(request.url ?? '/', 'http://localhost');
  const handler = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  if (handler === undefined) return answerAdmin(response, 404, 'Not Found\n');
  await handler(request, response, url.searchParams);
}

function changeLevels(
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
  levels: LogLevels,
): void {
  if (request.method !== 'POST') return answerAdmin(response, 405, `Invalid HTTP method\n${loggingUsage}`);
  const level = query.get('level');
  try {
    if (query.has('reset')) levels.reset(level ?? '');
    else if (level !== null) {
      if (level === '') throw new RangeError('level is empty');
      levels.apply(level);
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return answerAdmin(response, 400, `Invalid level provided: ${reason}\n`);
  }
  answerAdmin(response, 200, `current log level is ${levels.toString()}\n`);
}
