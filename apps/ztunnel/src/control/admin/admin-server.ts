/**
 * The admin interface on port 15000 of loopback. Istio: contract data-plane 7.5; paths, methods, texts and codes are ztunnel's.
 *
 * Not authenticated: it listens on loopback only, and refuses requests whose Host is not a loopback name, so that a page in
 * a browser on the node cannot reach it through a rebound name.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { LogLevels } from '@ambit/telemetry';
import type { DumpSources } from './config-dump.ts';
import { configDump } from './config-dump.ts';
import { cpuProfile, HeapProfiler } from './profiler.ts';

export interface AdminServerOptions {
  readonly dump: DumpSources;
  readonly logLevels: LogLevels;
  /** Begins the shutdown of the process. */
  readonly onQuit: () => void;
  readonly onError: (error: unknown) => void;
}

type Handler = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => Promise<void> | void;

const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

const INDEX = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>ztunnel admin</title>
<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:46rem}td{padding:.15rem 1rem .15rem 0}</style></head>
<body><h1>ztunnel</h1><table>
<tr><td><a href="/config_dump">/config_dump</a></td><td>workloads, services, policies, certificates, connections</td></tr>
<tr><td>/logging</td><td>POST: show or change log levels, <code>?level=info</code>, <code>?level=access=debug</code>, <code>?reset</code></td></tr>
<tr><td>/quitquitquit</td><td>POST: shut down</td></tr>
<tr><td><a href="/debug/pprof/profile">/debug/pprof/profile</a></td><td>CPU profile, <code>?seconds=10&amp;frequency=100</code></td></tr>
<tr><td><a href="/debug/pprof/heap">/debug/pprof/heap</a></td><td>heap profile, once switched on at <code>/debug/pprof/heap/profiling?activate=true</code></td></tr>
</table></body></html>
`;

export function createAdminServer(options: AdminServerOptions): Server {
  const heap = new HeapProfiler();
  let isProfiling = false;
  const routes: Readonly<Record<string, Handler>> = {
    '/': (_request, response) => answer(response, 200, INDEX, 'text/html; charset=utf-8'),
    '/config_dump': async (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      await pipeline(Readable.from(configDump(options.dump)), response);
    },
    '/logging': (request, response, query) => changeLevels(request, response, query, options.logLevels),
    '/quitquitquit': (request, response) => {
      if (request.method !== 'POST') return answer(response, 405, 'Invalid HTTP method\n');
      answer(response, 200, 'shutdown now\n');
      options.onQuit();
    },
    '/debug/pprof/profile': async (request, response, query) => {
      const seconds = Number(query.get('seconds') ?? 10);
      const hertz = Number(query.get('frequency') ?? 100);
      if (!(seconds >= 1 && seconds <= 300)) return answer(response, 400, 'seconds must be from 1 to 300\n');
      if (!(hertz >= 1 && hertz <= 1_000)) return answer(response, 400, 'frequency must be from 1 to 1000\n');
      if (isProfiling) return answer(response, 409, 'a profile is being taken; try again when it is done\n');
      isProfiling = true;
      const gone = new AbortController();
      request.socket.once('close', () => gone.abort());
      try {
        answer(response, 200, await cpuProfile(seconds, hertz, { signal: gone.signal }), 'application/json');
      } finally {
        isProfiling = false;
      }
    },
    '/debug/pprof/heap': async (_request, response) => {
      const profile = await heap.take();
      if (profile === undefined)
        answer(response, 400, 'heap profiling is off; POST /debug/pprof/heap/profiling?activate=true first\n');
      else answer(response, 200, profile, 'application/json');
    },
    '/debug/pprof/heap/profiling': async (_request, response, query) => {
      const wanted = query.get('activate');
      if (wanted !== 'true' && wanted !== 'false') return answer(response, 400, 'activate must be true or false\n');
      await heap.activate(wanted === 'true');
      answer(response, 200, `heap profiling is ${heap.isActive ? 'on' : 'off'}\n`);
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
  if (!LOOPBACK_HOST.test(request.headers.host ?? ''))
    return answer(response, 403, 'the admin interface is for loopback only\n');
  const url = new URL(request.url ?? '/', 'http://localhost');
  const handler = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  if (!handler) return answer(response, 404, 'Not Found\n');
  await handler(request, response, url.searchParams);
}

function changeLevels(
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
  levels: LogLevels,
): void {
  if (request.method !== 'POST')
    return answer(
      response,
      405,
      'Invalid HTTP method\nusage: POST /logging, POST /logging?level=info, POST /logging?level=scope=debug,scope2=warn, POST /logging?reset\n',
    );
  const level = query.get('level');
  try {
    if (query.has('reset')) levels.reset(level ?? '');
    else if (level !== null) {
      if (level === '') throw new RangeError('level is empty');
      levels.apply(level);
    }
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
