/** The admin interface of the node proxy, with its dump and its profiles. */
import type { Server } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type AdminHandler, answerAdmin, createAdminServer, type LogLevels } from '@ambit/telemetry';
import type { DumpSources } from './config-dump.ts';
import { configDump } from './config-dump.ts';
import { cpuProfile, HeapProfiler } from './profiler.ts';

export interface ZtunnelAdminOptions {
  readonly dump: DumpSources;
  readonly logLevels: LogLevels;
  /** Begins the shutdown of the process. */
  readonly onQuit: () => void;
  readonly onError: (error: unknown) => void;
}

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

export function createZtunnelAdmin(options: ZtunnelAdminOptions): Server {
  const heap = new HeapProfiler();
  let isProfiling = false;
  const routes: Readonly<Record<string, AdminHandler>> = {
    '/': (_request, response) => answerAdmin(response, 200, INDEX, 'text/html; charset=utf-8'),
    '/config_dump': async (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      await pipeline(Readable.from(configDump(options.dump)), response);
    },
    '/debug/pprof/profile': async (request, response, query) => {
      const seconds = Number(query.get('seconds') ?? 10);
      const hertz = Number(query.get('frequency') ?? 100);
      if (!(seconds >= 1 && seconds <= 300)) return answerAdmin(response, 400, 'seconds must be from 1 to 300\n');
      if (!(hertz >= 1 && hertz <= 1_000)) return answerAdmin(response, 400, 'frequency must be from 1 to 1000\n');
      if (isProfiling) return answerAdmin(response, 409, 'a profile is being taken; try again when it is done\n');
      isProfiling = true;
      const gone = new AbortController();
      request.socket.once('close', () => gone.abort());
      try {
        answerAdmin(response, 200, await cpuProfile(seconds, hertz, { signal: gone.signal }), 'application/json');
      } finally {
        isProfiling = false;
      }
    },
    '/debug/pprof/heap': async (_request, response) => {
      const profile = await heap.take();
      if (profile === undefined)
        answerAdmin(response, 400, 'heap profiling is off; POST /debug/pprof/heap/profiling?activate=true first\n');
      else answerAdmin(response, 200, profile, 'application/json');
    },
    '/debug/pprof/heap/profiling': async (_request, response, query) => {
      const wanted = query.get('activate');
      if (wanted !== 'true' && wanted !== 'false')
        return answerAdmin(response, 400, 'activate must be true or false\n');
      await heap.activate(wanted === 'true');
      answerAdmin(response, 200, `heap profiling is ${heap.isActive ? 'on' : 'off'}\n`);
    },
  };
  return createAdminServer({ ...options, routes });
}
