/**
 * How much the mesh adds to the start of a pod: many pods on one node, each through the real plugin, the agent and a real
 * ztunnel (both bundled: `node tools/bundle/src/main.ts`). Root only.
 *
 *   npm run bench -- cni [--pods 100] [--parallel 1]
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { writePodStatus } from '@ambit/kube';
import { mustRun, runCommand } from '@ambit/runtime';
import { nodeProgram } from '../src/node-programs.ts';

const { values } = parseArgs({
  options: { pods: { type: 'string', default: '100' }, parallel: { type: 'string', default: '1' } },
});
const [count, parallel] = [Number(values.pods), Number(values.parallel)];
const node = `ambt-start-${process.pid}`;
const directory = mkdtempSync(join(tmpdir(), 'ambt-start-'));
const [manifests, status, runDir, confDir] = ['manifests', 'status', 'run', 'net.d'].map((name) =>
  join(directory, name),
) as [string, string, string, string];
const zdsSocket = join(directory, 'zds.sock');
const children: ChildProcess[] = [];
const apps = join(import.meta.dirname, '../..');

const addressOf = (index: number): string => `10.66.${index >> 8}.${index & 255}`;
const nameOf = (index: number): string => `pod-${index}`;
const netnsOf = (index: number): string => `${node}-${index}`;

function startOnNode(main: string, env: Readonly<Record<string, string>>): ChildProcess {
  const child = spawn('nsenter', [`--net=/run/netns/${node}`, '--', process.execPath, main], {
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', NODE_NAME: 'node1', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  return child;
}

async function until(what: string, url: string): Promise<void> {
  for (const endMs = performance.now() + 30_000; performance.now() < endMs; await pause(50))
    if ((await runCommand(['nsenter', `--net=/run/netns/${node}`, '--', 'curl', '-sf', url])).code === 0) return;
  throw new Error(`waited too long for ${what}`);
}

function writeManifests(): void {
  for (const path of [manifests, status, confDir]) mkdirSync(path);
  const pods = Array.from(
    { length: count },
    (_, index) =>
      `---\napiVersion: v1\nkind: Pod\nmetadata: { namespace: shop, name: ${nameOf(index)} }\nspec: { containers: [{ name: main }] }\n`,
  );
  const labels = '{ istio.io/dataplane-mode: ambient }';
  writeFileSync(
    join(manifests, 'shop.yaml'),
    `apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: ${labels} }\n${pods.join('')}`,
  );
  for (let index = 0; index < count; index += 1)
    writePodStatus(status, 'shop', nameOf(index), 'kubelet', {
      uid: `uid-${index}`,
      nodeName: 'node1',
      phase: 'Pending',
    });
}

/** One call of the runtime; resolves with its time in milliseconds. */
async function add(binary: string, index: number): Promise<number> {
  const config = JSON.stringify({
    cniVersion: '1.0.0',
    name: 'net',
    type: 'ambit-cni',
    cni_agent_run_dir: runDir,
    prevResult: { cniVersion: '1.0.0', ips: [{ address: `${addressOf(index)}/24`, gateway: '10.66.0.1' }] },
  });
  const startMs = performance.now();
  const child = spawn(binary, {
    env: {
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: `c${index}`,
      CNI_IFNAME: 'eth0',
      CNI_NETNS: `/run/netns/${netnsOf(index)}`,
      CNI_ARGS: `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${nameOf(index)};K8S_POD_UID=uid-${index}`,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.end(config);
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`ADD of ${nameOf(index)} failed: ${output}`);
  return performance.now() - startMs;
}

/** Nearest rank: of 100 values p99 is the second largest. */
function percentile(sorted: readonly number[], share: number): string {
  return (sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0).toFixed(1);
}

function describe(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  return `p50 ${percentile(sorted, 0.5)} ms, p90 ${percentile(sorted, 0.9)} ms, p99 ${percentile(sorted, 0.99)} ms, max ${percentile(sorted, 1)} ms`;
}

/** The part of a start that is the machine's: the plugin's program, asked for its version. */
async function startIdly(binary: string): Promise<readonly number[]> {
  const times: number[] = [];
  for (let round = 0; round < 50; round += 1) {
    const startMs = performance.now();
    const child = spawn(binary, { env: { CNI_COMMAND: 'VERSION' }, stdio: ['ignore', 'ignore', 'inherit'] });
    await once(child, 'close');
    times.push(performance.now() - startMs);
  }
  return times;
}

async function scrape(): Promise<string> {
  const url = 'http://127.0.0.1:15014/metrics';
  return mustRun(['nsenter', `--net=/run/netns/${node}`, '--', 'curl', '-sf', url]);
}

/** What the agent itself exports of the same starts. */
function histogramOf(metrics: string): string {
  const buckets = [...metrics.matchAll(/^ambit_cni_add_duration_seconds_bucket\{(.*)\} (\d+)$/gm)];
  return buckets
    .filter(([, labels]) => labels?.includes('result="ok"'))
    .map(([, labels, pods]) => `${/le="([^"]+)"/.exec(labels ?? '')?.[1]} s ${pods}`)
    .join(', ');
}

function cpuMs(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function run(): Promise<void> {
  await mustRun(['ip', 'netns', 'add', node]);
  await mustRun(['ip', '-n', node, 'link', 'set', 'lo', 'up']);
  for (let index = 0; index < count; index += 1) {
    await mustRun(['ip', 'netns', 'add', netnsOf(index)]);
    await mustRun(['ip', '-n', netnsOf(index), 'link', 'set', 'lo', 'up']);
    await mustRun(['ip', '-n', netnsOf(index), 'address', 'add', `${addressOf(index)}/32`, 'dev', 'lo']);
  }
  writeManifests();
  const agent = startOnNode(join(apps, 'cni-agent/dist/main.mjs'), {
    AMBIT_MANIFEST_DIRS: manifests,
    AMBIT_STATUS_DIR: status,
    ZTUNNEL_UDS_ADDRESS: zdsSocket,
    CNI_AGENT_RUN_DIR: runDir,
    LOG_LEVEL: 'warn',
  });
  await until('the agent', 'http://127.0.0.1:8000/readyz');
  startOnNode(join(apps, 'ztunnel/dist/main.mjs'), {
    LOCAL_XDS: 'workloads: []',
    INPOD_UDS: zdsSocket,
    LOG_LEVEL: 'warn',
    CA_ADDRESS: '',
  });
  await until('ztunnel', 'http://127.0.0.1:15021/healthz/ready');
  const binary = await nodeProgram('ambit-cni');
  process.stdout.write(`starting a program that does nothing: ${describe(await startIdly(binary))}\n`);
  const load = loadavg()[0]?.toFixed(1) ?? '';
  const times: number[] = [];
  let next = 0;
  const startMs = performance.now();
  const before = cpuMs(agent);
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (next < count) times.push(await add(binary, next++));
    }),
  );
  const tookMs = performance.now() - startMs;
  process.stdout.write(
    `${count} pods, ${parallel} at a time: ${describe(times)}; ${(tookMs / 1_000).toFixed(1)} s in all, agent ${((cpuMs(agent) - before) / count).toFixed(1)} ms CPU a pod; ${cpus().length} cores, load ${load}\n`,
  );
  process.stdout.write(`in the agent (ambit_cni_add_duration_seconds, at most): ${histogramOf(await scrape())}\n`);
  const proofMs = cpuMs(agent);
  await pause(10_000);
  process.stdout.write(
    `proof of ${count} pods: ${(((cpuMs(agent) - proofMs) / 10_000) * 100).toFixed(1)} % of a core\n`,
  );
}

try {
  await run();
} finally {
  for (const child of children) child.kill('SIGKILL');
  for (const name of [node, ...Array.from({ length: count }, (_, index) => netnsOf(index))])
    await runCommand(['ip', 'netns', 'delete', name]);
  rmSync(directory, { recursive: true, force: true });
}
