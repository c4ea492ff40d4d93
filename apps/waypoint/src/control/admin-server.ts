/**
 * The admin interface on port 15000 of loopback, with the node proxy's paths. Not authenticated: it listens on loopback only
 * and refuses requests whose Host is not a loopback name, so that a page in a browser cannot reach it by a rebound name.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { LogLevels } from '@ambit/telemetry';

export interface AdminServerOptions {
  readonly dump: () => Promise<string>;
  readonly logLevels: LogLevels;
  /** Begins the shutdown of the process. */
  readonly onQuit: () => void;
  readonly onError: (error: unknown) => void;
}

type Handler = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => Promise<void> | void;

const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

export function createAdminServer(options: AdminServerOptions): Server {
  const routes: Readonly<Record<string, Handler>> = {
    '/config_dump': async (_request, response) => answer(response, 200, await options.dump(), 'application/json'),
    '/logging': (request, response, query) => changeLevels(request, response, query, options.logLevels),
    '/quitquitquit': (request, response) => {
      if (request.method !== 'POST') return answer(response, 405, 'Invalid HTTP method\n');
      answer(response, 200, 'shutdown now\n');
      options.onQuit();
    },
  };
  return createServer((request, response) => {
    void dispatch(routes, request, response).catch((error: unknown) => {
      options.onError(error);
      if (response.headersSent) response.destroy();
      else answer(response, 500, 'internal error; see the log\n');
    });
  });
}

async function dispatch(
  routes: Readonly<Record<string, Handler>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!loopbackHost.test(request.headers.host ?? ''))
    return answer(response, 403, 'the admin interface is for loopback only\n');
  const url = new URL(request.url ?? '/', 'http://localhost');
  const handler = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  if (handler === undefined) return answer(response, 404, 'Not Found\n');
  await handler(request, response, url.searchParams);
}

function changeLevels(
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
  levels: LogLevels,
): void {
  if (request.method !== 'POST')
    return answer(response, 405, 'Invalid HTTP method\nusage: POST /logging?level=scope=debug,info or ?reset\n');
  const level = query.get('level');
  try {
    if (query.has('reset')) levels.reset(level ?? '');
    else if (level !== null) levels.apply(level);
  } catch (cause) {
    return answer(response, 400, `Invalid level provided: ${cause instanceof Error ? cause.message : String(cause)}\n`);
  }
  answer(response, 200, `current log level is ${levels.toString()}\n`);
}

function answer(
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
