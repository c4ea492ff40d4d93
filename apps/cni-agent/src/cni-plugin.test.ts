/** The real plugin binary against the agent's real socket, and its parser under sanitizers. Needs a C compiler. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCommand, mustRun } from '@ambit/runtime';
import { serveCniPlugin, type NewPod } from './cni-plugin-server.ts';
import { nodeProgram } from './node-programs.ts';

const compiler = await runCommand(['cc', '--version']).catch(() => undefined);
const skip = compiler === undefined ? 'needs a C compiler' : false;
const directory = mkdtempSync(join(tmpdir(), 'ambt-plugin-'));
const pluginSources = join(import.meta.dirname, '../plugin');
after(() => rmSync(directory, { recursive: true, force: true }));

const PREVIOUS = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'eth0', sandbox: '/run/netns/x' }],
  ips: [
    { address: '10.0.0.5/24', interface: 2, gateway: '10.0.0.1' },
    { address: 'fd00::5/120', gateway: 'fd00::1' },
  ],
  dns: { nameservers: ['10.96.0.10'], anything: '€ "quoted"' },
};
const ARGS =
  'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=0b1c-2d;K8S_POD_INFRA_CONTAINER_ID=ff';

interface Answer {
  readonly code: number | null;
  readonly stdout: string;
}

describe('the CNI plugin', { skip }, () => {
  let binary = '';
  let server: Server | undefined;
  let asked: NewPod[] = [];
  let outcome: () => Promise<void> = () => Promise.resolve();
  const runDir = join(directory, 'run');

  before(async () => {
    binary = await nodeProgram('ambit-cni');
    server = serveCniPlugin(runDir, {
      onNewPod: (pod) => {
        asked.push(pod);
        return outcome();
      },
      onAnswer: () => {},
    });
    await once(server, 'listening');
  });
  after(() => server?.close());

  async function run(
    command: string | undefined,
    config: unknown,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const text = typeof config === 'string' ? config : JSON.stringify(config);
    const env = {
      CNI_CONTAINERID: 'c1',
      CNI_NETNS: '/var/run/netns/cni-1',
      CNI_IFNAME: 'eth0',
      CNI_ARGS: ARGS,
      ...(command === undefined ? {} : { CNI_COMMAND: command }),
      ...environment,
    };
    const child = spawn(binary, { env, stdio: ['pipe', 'pipe', 'ignore'] });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stdin.on('error', () => {});
    child.stdin.end(text);
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout };
  }

  const config = (more: object = {}): object => ({
    cniVersion: '1.0.0',
    name: 'k8s-pod-network',
    type: 'ambit-cni',
    cni_agent_run_dir: runDir,
    pod_namespace: 'ambit-system',
    exclude_namespaces: ['kube-system'],
    prevResult: PREVIOUS,
    ...more,
  });

  test('ADD asks the agent with all it knows and hands back what came before, byte for byte', async () => {
    asked = [];
    const answer = await run('ADD', config());
    assert.equal(answer.code, 0, answer.stdout);
    assert.equal(answer.stdout, `${JSON.stringify(PREVIOUS)}\n`);
    assert.deepEqual(asked, [
      {
        namespace: 'shop',
        name: 'web-0',
        uid: '0b1c-2d',
        netnsPath: '/var/run/netns/cni-1',
        addresses: ['10.0.0.5', 'fd00::5'],
      },
    ]);
  });

  test('without a previous result the answer is an empty one of the same version', async () => {
    const answer = await run('ADD', config({ prevResult: undefined }));
    assert.deepEqual([answer.code, JSON.parse(answer.stdout)], [0, { cniVersion: '1.0.0' }]);
  });

  test('a refusal of the agent fails the start of the pod, with its reason', async () => {
    outcome = () => Promise.reject(new Error('ztunnel "is" away'));
    const answer = await run('ADD', config());
    outcome = () => Promise.resolve();
    assert.equal(answer.code, 1);
    const error: unknown = JSON.parse(answer.stdout);
    assert.deepEqual(error, {
      cniVersion: '1.0.0',
      code: 11,
      msg: 'ambit-cni: the pod could not be brought into the mesh',
      details: 'ztunnel "is" away',
    });
  });

  test('without an agent no pod starts, except excluded ones, the agent itself and what is no pod', async () => {
    const away = { cni_agent_run_dir: join(directory, 'nobody') };
    const answer = await run('ADD', config(away));
    assert.equal(answer.code, 1);
    assert.match(answer.stdout, /"code":11.*node agent does not answer/);
    const started = async (args: string): Promise<boolean> =>
      (await run('ADD', config(away), { CNI_ARGS: args })).code === 0;
    assert.ok(await started('K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=coredns-1'));
    assert.ok(await started('K8S_POD_NAMESPACE=ambit-system;K8S_POD_NAME=ambit-cni-agent-x7k2p'));
    assert.ok(await started('IgnoreUnknown=1'));
    assert.ok(!(await started('K8S_POD_NAMESPACE=shop;K8S_POD_NAME=ambit-cni-agent-x7k2p')));
    assert.ok(!(await started('K8S_POD_NAMESPACE=ambit-system;K8S_POD_NAME=ztunnel-1')));
    assert.ok(!(await started('K8S_POD_NAMESPACE=kube-system2;K8S_POD_NAME=a')));
    assert.ok(!(await started('K8S_POD_NAMESPACE=kube-system";K8S_POD_NAME=a')));
  });

  test('an agent that accepts and says nothing, or ends in the middle, fails the start', async () => {
    for (const reply of ['', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 2']) {
      const dumb = createServer((socket) => socket.on('error', () => {}).end(reply));
      const folder = mkdtempSync(join(directory, 'd'));
      dumb.listen(join(folder, 'pluginevent.sock'));
      await once(dumb, 'listening');
      assert.equal((await run('ADD', config({ cni_agent_run_dir: folder }))).code, 1, JSON.stringify(reply));
      dumb.close();
    }
  });

  test('configuration that cannot be read fails the start with a reason', async () => {
    for (const [input, reason] of [
      ['', /not a JSON object/],
      ['{"cniVersion":"1.0.0"', /not a JSON object/],
      [{ cniVersion: '1.0.0' }, /cni_agent_run_dir/],
      [config({ cni_agent_run_dir: 'relative' }), /cni_agent_run_dir/],
      [config({ cni_agent_run_dir: `/${'x'.repeat(80)}` }), /cni_agent_run_dir/],
      [config({ prevResult: [] }), /prevResult/],
      [config({ prevResult: { ips: [{ address: '10.0.0.5' }] } }), /prevResult.ips/],
      [`{"a":"${'x'.repeat(1_100_000)}"}`, /too long/],
    ] as const) {
      const answer = await run('ADD', input);
      assert.equal(answer.code, 1);
      assert.match(answer.stdout, reason);
      assert.equal(typeof (JSON.parse(answer.stdout) as { code: unknown }).code, 'number');
    }
  });

  test('DEL, CHECK, GC and STATUS succeed whatever they are given; VERSION lists the versions; others fail', async () => {
    for (const command of ['DEL', 'CHECK', 'GC', 'STATUS']) assert.equal((await run(command, '{')).code, 0);
    const version = await run('VERSION', '{"cniVersion":"1.0.0"}');
    assert.match(version.stdout, /"supportedVersions":\[.*"0.3.1".*"1.1.0"\]/);
    assert.equal((await run('NONSENSE', '{}')).code, 1);
    assert.equal((await run(undefined, '{}')).code, 1);
  });
});

test('no configuration makes the plugin read or write where it may not', { skip }, async (context) => {
  const folder = join(directory, 'sanitized');
  const built = await runCommand(['sh', join(pluginSources, 'build.sh'), '--test', folder], { timeoutMs: 120_000 });
  if (built.code !== 0) return context.skip(`no sanitizers here: ${built.stderr.split('\n')[0] ?? ''}`);
  const seed = String(Date.now());
  context.diagnostic(`seed ${seed}`);
  assert.match(await mustRun([join(folder, 'fuzz-plan-add'), '200000', seed], { timeoutMs: 100_000 }), /^asked \d+/);
});
