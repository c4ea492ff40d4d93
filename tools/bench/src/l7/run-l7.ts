/** Ambit's waypoint beside Envoy for the same work, behind the same node proxy: load in alternating rounds, figures, table. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, mkdtempDisposableSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AmbitError, delay, mustRun } from '@ambit/runtime';
import { cpuSeconds, largestMemory, machineCpuSeconds } from '../process-usage.ts';
import { askedPath } from './envoy-configuration.ts';
import { h2loadCommand, type HttpLoad, type HttpLoadPlan, readH2load, readWrk, wrkCommand } from './http-load.ts';
import { type Measured, type MemoryFigures, reportL7, type Shape } from './report.ts';
import { measureRouteUpdates, type RouteUpdateFigures } from './route-updates.ts';
import {
  haproxyConfiguration,
  liveRoute,
  nginxConfiguration,
  nginxProxyConfiguration,
  references,
  sceneManifest,
  TOKEN_ISSUER,
} from './scene.ts';

export interface L7Options {
  readonly rounds: number;
  readonly seconds: number;
  /** Path of Envoy; undefined leaves it out. */
  readonly envoyProgram: string | undefined;
  readonly jsonFile: string;
  readonly svgFile: string;
  readonly write: (text: string) => void;
  /** Takes everything down again. */
  readonly stack: AsyncDisposableStack;
}

const AMBITCTL = fileURLToPath(new URL('../../../../apps/ambitctl/src/main.ts', import.meta.url));
const ENVOY_POD = fileURLToPath(new URL('../../lab/envoy-pod.ts', import.meta.url));
const STATE_ROOT = '/run/ambit-bench';
const LAB = 'benchl7';
const SMALL = 1024;
const LARGE = 65_536;
const UPDATES = 100;
/** Requests a second while routes change: what leaves a core time, and what does not. */
const UPDATE_LOADS = [1_000, 0] as const;

const shapes: readonly Shape[] = [
  { key: 'h1-1', title: 'HTTP/1.1, 1 connection, 1 KB', service: 'web', path: '/x', version: 1, connections: 1 },
  { key: 'h1-16', title: 'HTTP/1.1, 16 connections, 1 KB', service: 'web', path: '/x', version: 1, connections: 16 },
  { key: 'h1-64', title: 'HTTP/1.1, 64 connections, 1 KB', service: 'web', path: '/x', version: 1, connections: 64 },
  {
    key: 'h1-large',
    title: 'HTTP/1.1, 16 connections, 64 KB',
    service: 'web',
    path: '/large',
    version: 1,
    connections: 16,
  },
  {
    key: 'h1-routes',
    title: 'HTTP/1.1, 16 connections, 1,000 routes',
    service: 'many',
    path: askedPath,
    version: 1,
    connections: 16,
  },
  {
    key: 'h2-16',
    title: 'HTTP/2, 16 connections of 16 streams',
    service: 'web',
    path: '/x',
    version: 2,
    connections: 16,
  },
  {
    key: 'grpc-16',
    title: 'gRPC, 16 connections of 16 streams',
    service: 'grpc',
    path: '/bench.Shop/Get',
    version: 2,
    connections: 16,
    isGrpc: true,
  },
];

interface Subject {
  readonly name: 'envoy' | 'ambit' | (typeof references)[number];
  /** Processes of its pod. */
  readonly pids: readonly number[];
  readonly rounds: Map<string, Measured[]>;
}

export async function runL7(options: L7Options): Promise<void> {
  const { rounds, seconds, write, stack } = options;
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-bench-l7-'));
  const token = prepare(folder.path, options.envoyProgram);
  write('starting the lab\n');
  stack.defer(() => ambitctl(['lab', 'down', '--state-dir', STATE_ROOT, '--name', LAB], 60_000).then(() => undefined));
  await ambitctl(
    ['lab', 'up', '--state-dir', STATE_ROOT, '--file', join(folder.path, 'lab.yaml'), '--name', LAB],
    180_000,
  );
  const names = [...references, ...(options.envoyProgram === undefined ? [] : (['envoy'] as const)), 'ambit' as const];
  const subjects: readonly Subject[] = names.map((name) => ({ name, pids: pidsOf(podOf(name)), rounds: new Map() }));
  const headers = { 'x-lane': 'fast', authorization: `Bearer ${token}` };
  for (const { name } of subjects) await untilAnswered(name, headers);
  const idle = new Map(subjects.map(({ name, pids }) => [name, largestMemory(pids)]));
  const problems: string[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const shape of shapes) {
      const able = subjects.filter(({ name }) => canDo(name, shape));
      const order = round % 2 === 0 ? able.toReversed() : able;
      for (const subject of order) {
        write(`round ${round} of ${rounds}: ${shape.title}: ${subject.name}\n`);
        const plan = {
          url: `http://${shape.service}-${subject.name}${shape.path}`,
          headers: shape.isGrpc === true ? { ...headers, ...grpcHeaders } : headers,
          connections: shape.connections,
          seconds,
          ...(shape.isGrpc === true ? { bodyFile: join(folder.path, 'message') } : {}),
        };
        const { failures, ...measured } = await measure(subject, shape.version, plan);
        if (failures > 0) problems.push(`${subject.name}, ${shape.title}: ${failures} requests failed`);
        const list = subject.rounds.get(shape.key) ?? [];
        subject.rounds.set(shape.key, [...list, measured]);
      }
    }
  }
  const memory = subjects.map(({ name, pids }): MemoryFigures => {
    return { name, idleMiB: idle.get(name)?.residentMiB ?? Number.NaN, loadedMiB: largestMemory(pids).residentMiB };
  });
  const routeUpdates: RouteUpdateFigures[] = [];
  for (const [index, perSecond] of UPDATE_LOADS.entries()) {
    write(`${UPDATES} changes of a route, ${perSecond === 0 ? 'as much load as can be' : `${perSecond} requests/s`}\n`);
    routeUpdates.push(
      await measureRouteUpdates({
        manifests: join(STATE_ROOT, LAB, 'manifests'),
        scratch: join(STATE_ROOT, LAB),
        updates: UPDATES,
        perSecond,
        firstVersion: 1 + index * UPDATES,
        headers,
        run: inClient,
      }),
    );
  }
  await reportL7(options, shapes, subjects, memory, routeUpdates, problems);
}

const grpcHeaders: Readonly<Record<string, string>> = { 'content-type': 'application/grpc', te: 'trailers' };

function podOf(name: Subject['name']): string {
  return name === 'ambit' ? 'ambit-waypoint' : name === 'envoy' ? 'envoy' : `proxy-${name}`;
}

/** References proxy HTTP/1.1 to one service. */
function canDo(name: Subject['name'], { service, version }: Shape): boolean {
  return name === 'ambit' || name === 'envoy' || (service === 'web' && version === 1);
}

/** Files of the lab; returns the token that callers show. */
function prepare(folder: string, envoyProgram: string | undefined): string {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'RS256', use: 'sig' };
  const jwks = JSON.stringify({ keys: [key] });
  const root = join(STATE_ROOT, LAB);
  mkdirSync(join(folder, 'manifests'));
  writeFileSync(join(folder, 'jwks.json'), jwks);
  writeFileSync(join(folder, 'nginx.conf'), nginxConfiguration(folder));
  writeFileSync(join(folder, 'nginx-proxy.conf'), nginxProxyConfiguration);
  writeFileSync(join(folder, 'haproxy.cfg'), haproxyConfiguration);
  // A gRPC message of 16 bytes, not compressed.
  writeFileSync(join(folder, 'message'), Buffer.concat([Buffer.from([0, 0, 0, 0, 16]), Buffer.alloc(16, 'x')]));
  writeFileSync(join(folder, 'small'), 'x'.repeat(SMALL));
  writeFileSync(join(folder, 'large'), 'x'.repeat(LARGE));
  writeFileSync(
    join(folder, 'manifests/bench.yaml'),
    sceneManifest({
      jwks,
      folder,
      node: process.execPath,
      envoyScript: envoyProgram === undefined ? undefined : ENVOY_POD,
      envoyProgram,
      caAddress: 'https://10.254.0.1:15013',
      caRootFile: join(root, 'ca/root-cert.pem'),
      tokenFile: join(root, 'tokens/pod.bench.envoy.jwt'),
    }),
  );
  writeFileSync(join(folder, 'manifests/live.yaml'), liveRoute(0));
  writeFileSync(
    join(folder, 'lab.yaml'),
    // A folder is read after a quiet time, which an API server's watch does not have.
    `name: ${LAB}\nnodes: [{ name: node1 }, { name: node2 }]\nmanifests: [manifests]\nsettings: { control-plane: { PILOT_DEBOUNCE_AFTER: 1ms } }\n`,
  );
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: TOKEN_ISSUER, sub: 'bench', exp: Math.floor(Date.now() / 1000) + 7200 };
  const unsigned = `${encode({ alg: 'RS256', kid: 'bench', typ: 'JWT' })}.${encode(claims)}`;
  return `${unsigned}.${sign('sha256', Buffer.from(unsigned), privateKey).toString('base64url')}`;
}

async function measure(
  { pids }: Subject,
  version: 1 | 2,
  plan: HttpLoadPlan,
): Promise<Measured & { readonly failures: number }> {
  const command = version === 1 ? wrkCommand(plan) : h2loadCommand(plan);
  // Connections, compiled code and caches are warm before it counts.
  await inClient((version === 1 ? wrkCommand : h2loadCommand)({ ...plan, seconds: 1 }));
  const before = cpuSeconds(pids);
  const machineBefore = machineCpuSeconds();
  const text = await inClient(command);
  const used = cpuSeconds(pids) - before;
  const usedByOthers = machineCpuSeconds() - machineBefore - used;
  const load: HttpLoad = version === 1 ? readWrk(text) : readH2load(text);
  return {
    perSecond: load.perSecond,
    p50Us: load.p50Us,
    cpuUs: (used * 1e6) / load.requests,
    othersCpuUs: (usedByOthers * 1e6) / load.requests,
    failures: load.failures,
  };
}

async function inClient(command: readonly string[]): Promise<string> {
  return ambitctl(['lab', 'exec', '--state-dir', STATE_ROOT, '--name', LAB, 'bench/client', '--', ...command], 120_000);
}

async function untilAnswered(name: string, headers: Readonly<Record<string, string>>): Promise<void> {
  const fields = Object.entries(headers).flatMap(([field, value]) => ['-H', `${field}: ${value}`]);
  const deadlineMs = performance.now() + 60_000;
  const isReference = name !== 'ambit' && name !== 'envoy';
  const urls = [`http://web-${name}/x`, ...(isReference ? [] : [`http://many-${name}${askedPath}`])];
  for (const url of urls) {
    let seen = '';
    while (seen !== '200') {
      if (performance.now() > deadlineMs) throw new AmbitError('BENCH_LAB', `${url} answers ${seen || 'nothing'}`);
      seen = (
        await inClient(['curl', '-s', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', ...fields, url]).catch(String)
      ).trim();
      await delay(200, { signal: AbortSignal.timeout(60_000) });
    }
  }
}

/** Processes of a pod, by the network namespace that they are in. */
function pidsOf(pod: string): readonly number[] {
  const record: { readonly pods: readonly { readonly name: string; readonly netns: string }[] } = JSON.parse(
    readFileSync(join(STATE_ROOT, LAB, 'lab.json'), 'utf8'),
  );
  const netns = record.pods.find(({ name }) => name === `bench/${pod}`)?.netns;
  if (netns === undefined) throw new AmbitError('BENCH_LAB', `there is no pod bench/${pod}`);
  const wanted = statSync(netns).ino;
  return readdirSync('/proc').flatMap((entry) =>
    /^\d+$/.test(entry) && namespaceOf(entry) === wanted ? [Number(entry)] : [],
  );
}

/** Undefined for a process that has ended. */
function namespaceOf(pid: string): number | undefined {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino;
  } catch {
    return undefined;
  }
}

async function ambitctl(args: readonly string[], timeoutMs: number): Promise<string> {
  return mustRun([process.execPath, AMBITCTL, ...args], { timeoutMs });
}
