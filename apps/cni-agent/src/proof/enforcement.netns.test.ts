/**
 * What goes wrong on a node, with the real agent, plugin and ztunnel: somebody outside keeps trying to reach the pod in
 * plaintext, which works only beside the mesh. That has to be noticed, counted, and put right without the pod. Needs root.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { writePodStatus } from '@ambit/kube';
import { mustRun, runCommand } from '@ambit/runtime';
import { eventually } from '@ambit/testing';
import { nodeProgram } from '../node-programs.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const APPS = join(import.meta.dirname, '../../..');
const ADDRESS = { web: '10.89.0.11', late: '10.89.0.12' } as const;
type PodName = keyof typeof ADDRESS;
/** Says hello to whoever connects. */
const PROGRAM = `require('node:net').createServer((s) => { s.on('error', () => {}); s.end('hello'); }).listen(9000, '0.0.0.0', () => console.log('up'))`;
/** Tries again and again; a line for each change, and the milliseconds for which it was answered when its input ends. */
const CANARY = `
const { connect } = require('node:net');
const [host] = process.argv.slice(1);
let answered = 0, ended = false;
const once = () => new Promise((resolve) => {
  const socket = connect({ host, port: 9000, timeout: 200 });
  socket.on('data', () => resolve(true));
  for (const event of ['error', 'timeout', 'close']) socket.on(event, () => { socket.destroy(); resolve(false); });
});
process.stdin.on('end', () => { ended = true; }).resume();
(async () => {
  let last = performance.now(), was;
  while (!ended) {
    const now = await once();
    const time = performance.now();
    if (now) answered += time - last;
    last = time;
    if (now !== was) console.log(now ? 'answered' : 'refused');
    was = now;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  console.log('sum ' + Math.round(answered));
})();`;

describe('a node on which things go wrong', { skip }, () => {
  const id = `ambt-proof-${process.pid}`;
  const folder = mkdtempSync(join(tmpdir(), 'ambt-proof-'));
  const at = (name: string): string => join(folder, name);
  const children = new Set<ChildProcess>();
  const netnsOf = (name: string): string => `${id}-${name}`;
  const inside = (name: string, ...argv: string[]): readonly string[] => [
    'nsenter',
    `--net=/run/netns/${netnsOf(name)}`,
    '--',
    ...argv,
  ];
  const fetchOnNode = async (url: string): Promise<string | undefined> => {
    const { code, stdout } = await runCommand(inside('node', 'curl', '-s', '-m', '5', '-f', `http://127.0.0.1:${url}`));
    return code === 0 ? stdout : undefined;
  };
  let agent: ChildProcess;
  let ztunnel: ChildProcess;

  function start(where: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const [command = '', ...rest] = inside(where, ...argv);
    const child = spawn(command, rest, {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    children.add(child);
    child.on('exit', () => children.delete(child));
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async function startAgent(): Promise<void> {
    agent = start('node', [process.execPath, join(APPS, 'cni-agent/src/main.ts')], {
      NODE_NAME: 'node1',
      AMBIT_MANIFEST_DIRS: at('manifests'),
      AMBIT_STATUS_DIR: at('status'),
      ZTUNNEL_UDS_ADDRESS: at('zds.sock'),
      CNI_AGENT_RUN_DIR: at('run'),
      AMBIT_PROOF_INTERVAL: '500ms',
      LOG_LEVEL: 'off',
    });
    agent.stdout?.resume();
    await eventually('the agent', async () => (await fetchOnNode('8000/readyz')) !== undefined);
  }

  async function startZtunnel(): Promise<void> {
    ztunnel = start('node', [process.execPath, join(APPS, 'ztunnel/src/main.ts')], {
      NODE_NAME: 'node1',
      LOCAL_XDS: 'workloads: []',
      CA_ADDRESS: '',
      INPOD_UDS: at('zds.sock'),
      RUST_LOG: 'off',
    });
    ztunnel.stdout?.resume();
    await eventually('ztunnel', async () => (await fetchOnNode('15021/healthz/ready')) !== undefined);
  }

  async function addNetns(name: PodName): Promise<void> {
    const netns = netnsOf(name);
    await mustRun(['ip', 'netns', 'add', netns]);
    await mustRun(inside('node', 'ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns));
    await mustRun(inside('node', 'ip', 'link', 'set', name, 'master', 'br0', 'up'));
    for (const link of ['lo', 'eth0']) await mustRun(['ip', '-n', netns, 'link', 'set', link, 'up']);
    await mustRun(['ip', '-n', netns, 'address', 'add', `${ADDRESS[name]}/24`, 'dev', 'eth0']);
    // The other one is proven by what is read back alone: there is no certificate here that a probe could tell of.
    if (name === 'late') await mustRun(['ip', '-n', netns, 'route', 'add', 'default', 'via', '10.89.0.1']);
  }

  function show(name: PodName, phase: 'Pending' | 'Running'): void {
    writePodStatus(at('status'), 'shop', name, 'kubelet', {
      uid: `uid-${name}`,
      nodeName: 'node1',
      phase,
      podIPs: phase === 'Running' ? [ADDRESS[name]] : [],
      isReady: phase === 'Running',
      annotations: { 'ambit.dev/netns': `/run/netns/${netnsOf(name)}` },
    });
  }

  /** As the runtime calls the plugin; true when the pod may start. */
  async function add(name: PodName): Promise<boolean> {
    const prevResult = { cniVersion: '1.0.0', ips: [{ address: `${ADDRESS[name]}/24` }] };
    const { code } = await runCommand([await nodeProgram('ambit-cni')], {
      stdin: JSON.stringify({
        cniVersion: '1.0.0',
        name: 'x',
        type: 'ambit-cni',
        cni_agent_run_dir: at('run'),
        prevResult,
      }),
      env: {
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: 'c',
        CNI_IFNAME: 'eth0',
        CNI_NETNS: `/run/netns/${netnsOf(name)}`,
        CNI_ARGS: `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name};K8S_POD_UID=uid-${name}`,
      },
    });
    return code === 0;
  }

  async function run(name: PodName): Promise<void> {
    const program = start(name, [process.execPath, '-e', PROGRAM]);
    await once(program.stdout ?? assert.fail(), 'data');
    show(name, 'Running');
  }

  /** Until it is stopped; then tells for how long it was answered. */
  function watchFromOutside(name: PodName): { readonly seen: string[]; stop(): Promise<number> } {
    const child = start('outside', [process.execPath, '-e', CANARY, ADDRESS[name]]);
    const seen: string[] = [];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => seen.push(...text.trim().split('\n')));
    const stop = async (): Promise<number> => {
      const ended = once(child, 'close');
      child.stdin?.end();
      await ended;
      return Number(seen.at(-1)?.split(' ')[1]);
    };
    return { seen, stop };
  }

  /** Seconds in which traffic could have passed beside the mesh, as the agent counts them. */
  async function exposedSeconds(): Promise<number> {
    const reasons =
      /seconds_total\{reason="(NotEnrolled|NamespaceUnknown|RulesAltered|NotCaptured|ProofFailed)"\} (\S+)/g;
    const text = (await fetchOnNode('15014/metrics')) ?? assert.fail('no metrics');
    return [...text.matchAll(reasons)].reduce((sum, match) => sum + Number(match[2]), 0);
  }

  async function unenforced(reason: string): Promise<number> {
    const text = (await fetchOnNode('15014/metrics')) ?? '';
    return Number(new RegExp(`seconds_total\\{reason="${reason}"\\} (\\S+)`).exec(text)?.[1] ?? 0);
  }

  const deleteRules = (name: PodName): Promise<string> => mustRun(inside(name, 'nft', 'flush', 'ruleset'));
  /** All descriptors in use are more than it may have: not one more. */
  // Only the standard streams: of the numbers above, one may be free again since the start.
  const exhaust = (child: ChildProcess): Promise<string> =>
    mustRun(['prlimit', `--pid=${child.pid}`, '--nofile=3:20000']);
  const relieve = (child: ChildProcess): Promise<string> =>
    mustRun(['prlimit', `--pid=${child.pid}`, '--nofile=20000:20000']);

  before(async () => {
    for (const name of ['node', 'outside']) await mustRun(['ip', 'netns', 'add', netnsOf(name)]);
    for (const name of ['node', 'outside']) await mustRun(inside(name, 'ip', 'link', 'set', 'lo', 'up'));
    await mustRun(inside('node', 'ip', 'link', 'add', 'br0', 'type', 'bridge'));
    await mustRun(inside('node', 'ip', 'link', 'set', 'br0', 'up'));
    await mustRun(inside('node', 'ip', 'address', 'add', '10.89.0.1/24', 'dev', 'br0'));
    const peer = ['peer', 'name', 'eth0', 'netns', netnsOf('outside')];
    await mustRun(inside('node', 'ip', 'link', 'add', 'out', 'type', 'veth', ...peer));
    await mustRun(inside('node', 'ip', 'link', 'set', 'out', 'master', 'br0', 'up'));
    await mustRun(inside('outside', 'ip', 'address', 'add', '10.89.0.250/24', 'dev', 'eth0'));
    await mustRun(inside('outside', 'ip', 'link', 'set', 'eth0', 'up'));
    for (const name of ['manifests', 'status']) mkdirSync(at(name));
    const labels = '{ istio.io/dataplane-mode: ambient }';
    const pods = Object.keys(ADDRESS).map(
      (name) =>
        `---\napiVersion: v1\nkind: Pod\nmetadata: { namespace: shop, name: ${name} }\nspec: { containers: [{ name: main }] }\n`,
    );
    writeFileSync(
      join(at('manifests'), 'shop.yaml'),
      `apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: ${labels} }\n${pods.join('')}`,
    );
    await addNetns('web');
    show('web', 'Pending');
    await Promise.all([startAgent(), startZtunnel()]);
    assert.ok(await add('web'));
    await run('web');
  });

  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    for (const name of readdirSync('/run/netns').filter((one) => one.startsWith(`${id}-`)))
      await mustRun(['ip', 'netns', 'delete', name]);
    rmSync(folder, { recursive: true, force: true });
  });

  test('rules deleted by hand are put back, and the time without them is counted', async () => {
    const before = await exposedSeconds();
    const canary = watchFromOutside('web');
    await eventually('the first attempt', () => canary.seen.length > 0);
    assert.deepEqual(canary.seen, ['refused']);
    await deleteRules('web');
    // They may be back before the next attempt.
    await eventually('the notice', async () => (await exposedSeconds()) > before);
    await eventually('the repair', async () => (await mustRun(inside('web', 'iptables-nft-save'))).includes('15006'));
    await eventually('the end of plaintext', () => canary.seen.at(-1) === 'refused');
    const plaintextMs = await canary.stop();
    const counted = (await exposedSeconds()) - before;
    assert.ok(counted * 1_000 >= plaintextMs - 100, `${plaintextMs} ms in plaintext, ${counted} s counted`);
  });

  test('while the agent is away no pod starts; when it is back, it finds what was done meanwhile', async () => {
    await addNetns('late');
    show('late', 'Pending');
    await kill(agent);
    assert.ok(!(await add('late')));
    const canary = watchFromOutside('web');
    await deleteRules('web');
    await eventually('plaintext', () => canary.seen.includes('answered'));
    await startAgent();
    await eventually('the repair', () => canary.seen.at(-1) === 'refused');
    await eventually('the notice', async () => (await exposedSeconds()) > 0);
    await canary.stop();
    await eventually('the pod to start', () => add('late'));
    const late = watchFromOutside('late');
    await run('late');
    await eventually('an attempt', () => late.seen.length > 0);
    assert.equal(await late.stop(), 0);
  });

  test('an agent without descriptors lives, says that it knows nothing, lets no pod in, and recovers', async () => {
    const before = await exposedSeconds();
    const canary = watchFromOutside('web');
    await exhaust(agent);
    await deleteRules('web');
    await eventually('plaintext', () => canary.seen.includes('answered'));
    assert.ok(!(await add('late')));
    await relieve(agent);
    await eventually('the repair', () => canary.seen.at(-1) === 'refused');
    await eventually('the count', async () => (await unenforced('ProofFailed')) > 0);
    const plaintextMs = await canary.stop();
    const counted = (await exposedSeconds()) - before;
    assert.equal(agent.exitCode, null);
    assert.ok(counted * 1_000 >= plaintextMs - 100, `${plaintextMs} ms in plaintext, ${counted} s counted`);
  });

  test('a ztunnel without descriptors lives, serves nothing in plaintext, is found silent, and recovers', async () => {
    const canary = watchFromOutside('web');
    const before = (await unenforced('ProxySilent')) + (await unenforced('NotServed'));
    await exhaust(ztunnel);
    await eventually(
      'the agent to notice',
      async () => (await unenforced('ProxySilent')) + (await unenforced('NotServed')) > before,
    );
    assert.ok(!(await add('late')));
    await relieve(ztunnel);
    await eventually('pods to start again', () => add('late'));
    assert.equal(await canary.stop(), 0);
    assert.equal(ztunnel.exitCode, null);
  });

  test('after a reboot no pod starts before the mesh does, and then it starts inside', async () => {
    await Promise.all([kill(agent), kill(ztunnel)]);
    for (const child of children) await kill(child);
    await mustRun(['ip', 'netns', 'delete', netnsOf('web')]);
    await eventually(
      'its link to go',
      async () => (await runCommand(inside('node', 'ip', 'link', 'show', 'web'))).code !== 0,
    );
    await addNetns('web');
    // What the API server holds says nothing of the reboot: running, in the mesh.
    const canary = watchFromOutside('web');
    assert.ok(!(await add('web')));
    await startAgent();
    assert.ok(!(await add('web')), 'there is no ztunnel yet');
    await startZtunnel();
    await eventually('the pod to start', () => add('web'));
    await run('web');
    const tries = canary.seen.length;
    await eventually('an attempt', () => canary.seen.length >= tries);
    assert.equal(await canary.stop(), 0);
  });
});
