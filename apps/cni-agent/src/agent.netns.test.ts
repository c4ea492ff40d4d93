/** The agent's process on a node of its own, with a pod beside it and a stand-in for ztunnel. Needs root. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writePodStatus } from '@ambit/kube';
import { checked, EAGAIN, EPOLLIN, io, watchFd } from '@ambit/net';
import { mustRun, runCommand } from '@ambit/runtime';
import { eventually } from '@ambit/testing';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const HELLO = Uint8Array.of(0x08, 0x01);
const ACK = Uint8Array.of(0x0a, 0x00);

/** Takes what the agent says, acknowledges it, and remembers which pods it was told to serve. */
class StandInProxy implements Disposable {
  readonly served = new Set<string>();
  readonly told: string[] = [];
  readonly #fd: number;
  readonly #watch: Disposable;

  constructor(path: string, podNetnsId: string) {
    this.#fd = checked('connect', io.seqpacketConnect(path));
    const buffer = new Uint8Array(1_024);
    this.#watch = watchFd(this.#fd, EPOLLIN, () => {
      const received = io.receivePacket(this.#fd, buffer);
      if (typeof received === 'number') return assert.equal(-received, EAGAIN);
      if (received.length === 0) return this[Symbol.dispose]();
      const text = Buffer.from(buffer.subarray(0, received.length)).toString('latin1');
      const kind = ['?', 'add', 'del', 'snapshot', '?', 'keep'][(buffer[0] ?? 0) >> 3] ?? '?';
      const uid = /uid-\d/.exec(text)?.[0] ?? '';
      this.told.push(`${kind} ${uid}`.trim());
      if (kind === 'add') {
        assert.deepEqual(
          received.fds.map((fd) => io.netnsId(fd)),
          [podNetnsId],
        );
        this.served.add(uid);
      }
      if (kind === 'del') this.served.delete(uid);
      for (const fd of received.fds) io.close(fd);
      io.sendPacket(this.#fd, ACK);
    });
    io.sendPacket(this.#fd, HELLO);
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    io.close(this.#fd);
  }
}

describe('the node agent', { skip }, () => {
  const node = `ambt-lab-agent-${process.pid}`;
  const pod = `${node}-pod`;
  const directory = mkdtempSync(join(tmpdir(), 'ambt-agent-'));
  const [manifests, status, zdsSocket, runDir] = ['manifests', 'status', 'zds.sock', 'cni'].map((name) =>
    join(directory, name),
  ) as [string, string, string, string];
  const redirectionFile = join(status, 'shop.web.cni-agent.yaml');
  let agent: ChildProcess | undefined;
  let podNetnsId = '';

  const inPod = (...argv: string[]): Promise<string> => mustRun(['nsenter', `--net=/run/netns/${pod}`, '--', ...argv]);
  const rules = (): Promise<string> =>
    inPod('iptables-save').then((text) =>
      text
        .split('\n')
        .filter((line) => line.includes('ISTIO'))
        .join('\n'),
    );
  const isReady = async (): Promise<boolean> =>
    (await runCommand(['nsenter', `--net=/run/netns/${node}`, '--', 'curl', '-sf', 'http://127.0.0.1:8000/readyz']))
      .code === 0;
  const redirection = (): string | undefined => {
    try {
      return /redirection: (\w+)/.exec(readFileSync(redirectionFile, 'utf8'))?.[1];
    } catch {
      return undefined;
    }
  };

  function label(mode: string | undefined): void {
    const labels = mode === undefined ? '' : `\n  labels: { istio.io/dataplane-mode: ${mode} }`;
    const text = `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop${labels}\n---\napiVersion: v1\nkind: Pod\nmetadata: { namespace: shop, name: web }\nspec:\n  serviceAccountName: web\n  containers: [{ name: main }]\n`;
    writeFileSync(join(manifests, 'shop.yaml'), text);
  }

  async function startAgent(): Promise<void> {
    const env = {
      PATH: process.env['PATH'] ?? '',
      NODE_NAME: 'node1',
      AMBIT_MANIFEST_DIRS: manifests,
      AMBIT_STATUS_DIR: status,
      ZTUNNEL_UDS_ADDRESS: zdsSocket,
      CNI_AGENT_RUN_DIR: runDir,
      AMBIT_VERIFY_INTERVAL: '300ms',
      AMBIT_RELEASE_QUIET: '500ms',
    };
    agent = spawn(
      'nsenter',
      [`--net=/run/netns/${node}`, '--', process.execPath, fileURLToPath(new URL('./main.ts', import.meta.url))],
      { env, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    await eventually('the agent to be ready', isReady);
  }

  async function killAgent(): Promise<void> {
    const ended = once(agent ?? assert.fail(), 'exit');
    agent?.kill('SIGKILL');
    await ended;
  }

  before(async () => {
    for (const name of [node, pod]) await mustRun(['ip', 'netns', 'add', name]);
    for (const name of [node, pod]) await mustRun(['ip', '-n', name, 'link', 'set', 'lo', 'up']);
    await inPod('ip', 'address', 'add', '10.99.0.5/32', 'dev', 'lo');
    for (const path of [manifests, status]) mkdirSync(path);
    label(undefined);
    writePodStatus(status, 'shop', 'web', 'kubelet', {
      uid: 'uid-1',
      nodeName: 'node1',
      podIPs: ['10.99.0.5'],
      phase: 'Running',
      isReady: true,
      annotations: { 'ambit.dev/netns': `/run/netns/${pod}` },
    });
    const fd = io.openNetns(`/run/netns/${pod}`);
    podNetnsId = io.netnsId(fd);
    io.close(fd);
    await startAgent();
  });

  after(async () => {
    agent?.kill('SIGKILL');
    for (const name of [node, pod]) await mustRun(['ip', 'netns', 'delete', name]);
    rmSync(directory, { recursive: true, force: true });
  });

  test('a label without a proxy leaves the pod pending and its traffic alone; a proxy that connects gets it', async () => {
    label('ambient');
    await eventually('the pod to be pending', () => redirection() === 'pending');
    assert.doesNotMatch(await rules(), /REDIRECT/);
    using proxy = new StandInProxy(zdsSocket, podNetnsId);
    await eventually('the pod to be enrolled', () => redirection() === 'enabled');
    assert.ok(proxy.served.has('uid-1'));
    assert.match(await rules(), /15001/);
  });

  test('rules that somebody removes come back', async () => {
    const wanted = await rules();
    await inPod('iptables', '-t', 'nat', '-F', 'ISTIO_OUTPUT');
    await eventually('the rules to be back', async () => (await rules()) === wanted);
  });

  test('an agent that was killed touches nothing when it is back, and tells the proxy the same pods', async () => {
    const wanted = await rules();
    const counters = (): Promise<string> => inPod('iptables-save', '-c', '-t', 'nat');
    await inPod('iptables', '-t', 'nat', '-A', 'OUTPUT', '-d', '10.1.1.1/32', '-j', 'ACCEPT');
    const before = (await counters()).replaceAll(/#.*/g, '');
    await killAgent();
    await startAgent();
    using proxy = new StandInProxy(zdsSocket, podNetnsId);
    await eventually('the snapshot', () => proxy.told.includes('snapshot'));
    assert.deepEqual(proxy.told, ['add uid-1', 'snapshot']);
    assert.equal(await rules(), wanted);
    assert.equal((await counters()).replaceAll(/#.*/g, ''), before);
    assert.equal(redirection(), 'enabled');
  });

  test('without the label the pod is released, the proxy told, and nothing of the capture left', async () => {
    using proxy = new StandInProxy(zdsSocket, podNetnsId);
    await eventually('the snapshot', () => proxy.told.includes('snapshot'));
    label(undefined);
    await eventually('the annotation to go', () => redirection() === undefined);
    await eventually('the proxy to be told', () => !proxy.served.has('uid-1') && proxy.told.includes('del uid-1'));
    await eventually('the rules to go', async () => (await rules()) === '');
    await eventually('the return path to go', async () => !(await inPod('ip', 'rule')).includes('lookup 100'));
  });

  test('a new pod is answered for when it is in the mesh, and a body that makes no sense is refused', async () => {
    const ask = (body: string): Promise<string> =>
      mustRun([
        'curl',
        '-s',
        '-w',
        '%{http_code}',
        '--unix-socket',
        join(runDir, 'pluginevent.sock'),
        '-d',
        body,
        'http://localhost/cmdadd',
      ]);
    assert.match(await ask('{}'), /400$/);
    assert.equal(
      await ask(JSON.stringify({ Netns: `/run/netns/${pod}`, PodName: 'web', PodNamespace: 'shop' })),
      '200',
    );
    using proxy = new StandInProxy(zdsSocket, podNetnsId);
    await eventually('the snapshot', () => proxy.told.includes('snapshot'));
    label('ambient');
    await eventually('the pod to be enrolled', () => redirection() === 'enabled');
    assert.equal(
      await ask(JSON.stringify({ Netns: `/run/netns/${pod}`, PodName: 'web', PodNamespace: 'shop' })),
      '200',
    );
    assert.ok(proxy.served.has('uid-1'));
  });
});
