/**
 * haproxy as a yardstick: plain TCP with one hop, or mutual TLS 1.3 between two hops, without multiplexing.
 * Runs in the same node namespaces as the mesh's proxies, one thread each, as it is shipped by Debian.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AmbitError } from '@ambit/runtime';
import { makeTestCa } from '@ambit/testing';
import type { Target } from '../load-tool.ts';

export interface HaproxyPlan {
  /** Path of the node namespace of the client's side. */
  readonly nearNetns: string;
  /** Path of the node namespace of the server's side. */
  readonly farNetns: string;
  /** Address the client's pod reaches its node by. */
  readonly nearAddress: string;
  readonly farAddress: string;
  readonly server: Target;
}

export interface RunningHaproxy extends AsyncDisposable {
  readonly target: Target;
  readonly pids: readonly number[];
}

const TCP_PORT = 17_000;
const TLS_NEAR_PORT = 17_001;
const TLS_FAR_PORT = 17_002;

const HEAD = [
  'global',
  '  nbthread 1',
  '  maxconn 6000',
  'defaults',
  '  mode tcp',
  '  timeout connect 5s',
  '  timeout client 60s',
  '  timeout server 60s',
];

export async function startHaproxyTcp(plan: HaproxyPlan): Promise<RunningHaproxy> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-bench-'));
  const config = [
    ...HEAD,
    'listen near',
    `  bind ${plan.nearAddress}:${TCP_PORT}`,
    `  server app ${plan.server.address}:${plan.server.port}`,
  ];
  return await start(folder, [{ netns: plan.nearNetns, name: 'tcp', config }], {
    address: plan.nearAddress,
    port: TCP_PORT,
  });
}

export async function startHaproxyTls(plan: HaproxyPlan): Promise<RunningHaproxy> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-bench-'));
  writeCertificates(folder);
  const tls = `ssl crt ${folder}/leaf.pem ca-file ${folder}/root.pem`;
  const near = [
    ...HEAD,
    'listen near',
    `  bind ${plan.nearAddress}:${TLS_NEAR_PORT}`,
    `  server far ${plan.farAddress}:${TLS_FAR_PORT} ${tls} verify required ssl-min-ver TLSv1.3`,
  ];
  const far = [
    ...HEAD,
    'listen far',
    `  bind ${plan.farAddress}:${TLS_FAR_PORT} ${tls} verify required ssl-min-ver TLSv1.3`,
    `  server app ${plan.server.address}:${plan.server.port}`,
  ];
  const hops = [
    { netns: plan.farNetns, name: 'far', config: far },
    { netns: plan.nearNetns, name: 'near', config: near },
  ];
  return await start(folder, hops, { address: plan.nearAddress, port: TLS_NEAR_PORT });
}

interface Hop {
  readonly netns: string;
  readonly name: string;
  readonly config: readonly string[];
}

async function start(folder: string, hops: readonly Hop[], target: Target): Promise<RunningHaproxy> {
  const children: ChildProcess[] = [];
  for (const hop of hops) {
    const file = join(folder, `${hop.name}.cfg`);
    writeFileSync(file, `${hop.config.join('\n')}\n`);
    children.push(
      spawn('nsenter', [`--net=${hop.netns}`, 'haproxy', '-db', '-q', '-f', file], {
        stdio: ['ignore', 'ignore', 'inherit'],
      }),
    );
  }
  const pids = children.flatMap((child) => (child.pid === undefined ? [] : [child.pid]));
  if (pids.length !== hops.length)
    throw new AmbitError('BENCH_PEER', 'haproxy did not start; is the Debian package installed?');
  return {
    target,
    pids,
    async [Symbol.asyncDispose]() {
      for (const child of children) {
        if (child.exitCode !== null) continue;
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A root and one P-256 leaf for both ends, gone with the folder. */
function writeCertificates(folder: string): void {
  const ca = makeTestCa();
  const leaf = ca.issue(undefined, { dnsNames: ['bench.leaf'], notAfterMs: Date.now() + 48 * 3_600_000 });
  writeFileSync(`${folder}/root.pem`, ca.rootsPem);
  writeFileSync(`${folder}/leaf.pem`, leaf.certificateChainPem + leaf.privateKeyPem, { mode: 0o600 });
}
