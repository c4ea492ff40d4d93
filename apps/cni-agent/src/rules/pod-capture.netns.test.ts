/** The rules against a real kernel, with all three back ends. Needs root. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { mustRun } from '@ambit/runtime';
import type { CaptureBackend } from './capture-backend.ts';
import { DEFAULT_PROBE_ADDRESSES as probes } from './capture-constants.ts';
import { carriedConnections } from './carried-connections.ts';
import { IptablesBackend } from './iptables-backend.ts';
import { LearnedRules } from './learned-rules.ts';
import { NamespaceShell, type NamespacePlace } from './namespace-shell.ts';
import { NftablesBackend } from './nftables-backend.ts';
import { PodCapture } from './pod-capture.ts';
import { NetnsLooker } from '../pods/netns-looker.ts';
import { nodeProgram } from '../node-programs.ts';
import { type PodPlace, ReturnPath } from './return-path.ts';
import type { CaptureOptions } from './rule-model.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const options: CaptureOptions = { ingressMode: false, dnsCapture: true, virtualInterfaces: [] };
const families = ['v4', 'v6'] as const;
const lockDirectory = mkdtempSync(join(tmpdir(), 'ambt-capture-'));
const shell = new NamespaceShell(lockDirectory);
const program = await nodeProgram('ambit-netns');
const eyesFor = (isLegacy: boolean): NetnsLooker =>
  new NetnsLooker({ program, procRoot: '/proc', legacyTables: isLegacy });
const backends: readonly CaptureBackend[] = [
  new IptablesBackend({ shell, variant: 'nft', families, probes }),
  new IptablesBackend({ shell, variant: 'legacy', families, probes }),
  new NftablesBackend({ shell, families, probes }),
];

after(() => rmSync(lockDirectory, { recursive: true, force: true }));

/** What a namespace holds of rules, routes and settings, to compare before and after. */
function inventory(place: NamespacePlace): Promise<string> {
  const script =
    'iptables-nft-save; ip6tables-nft-save; iptables-legacy-save; nft -s list ruleset; ip rule; ip -6 rule; ip route show table 100 2>/dev/null; cat /proc/sys/net/netfilter/nf_conntrack_tcp_loose';
  return shell.run(place, ['sh', '-c', script]).then((text) =>
    text
      .split('\n')
      .filter((line) => /ISTIO|istio|15001|539|lookup 100|ambit|local default|^\d$/.test(line))
      .join('\n'),
  );
}

for (const backend of backends) {
  describe(`capture by ${backend.name}`, { skip }, () => {
    const name = `ambt-lab-cap-${process.pid}-${backends.indexOf(backend)}`;
    const peer = `${name}p`;
    const place: PodPlace = { kind: 'pod', id: name, enterPath: `/run/netns/${name}` };
    const peerPlace: PodPlace = { kind: 'pod', id: peer, enterPath: `/run/netns/${peer}` };
    const eyes = eyesFor(backend.name === 'iptables-legacy');
    const capture = new PodCapture(backend, new ReturnPath({ shell, eyes, procRoot: '/proc' }), eyes);
    const children: ChildProcess[] = [];

    before(async () => {
      for (const one of [name, peer]) await mustRun(['ip', 'netns', 'add', one]);
      await mustRun(['ip', '-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer]);
      for (const [one, address] of [
        [name, '10.77.0.1/24'],
        [peer, '10.77.0.2/24'],
      ] as const) {
        await mustRun(['ip', '-n', one, 'address', 'add', address, 'dev', 'eth0']);
        for (const link of ['lo', 'eth0']) await mustRun(['ip', '-n', one, 'link', 'set', link, 'up']);
      }
    });

    after(async () => {
      eyes[Symbol.dispose]();
      for (const child of children) child.kill('SIGKILL');
      for (const one of [name, peer]) await mustRun(['ip', 'netns', 'delete', one]);
    });

    /** Runs a script of Node in a namespace; resolves with its lines as they come. */
    function inNamespace(
      where: NamespacePlace,
      script: string,
    ): AsyncIterator<string> & { readonly child: ChildProcess } {
      const enter = where.kind === 'pod' ? where.enterPath : '';
      const child = spawn('nsenter', [`--net=${enter}`, '--', process.execPath, '-e', script], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      children.push(child);
      let rest = '';
      const lines: string[] = [];
      child.stdout?.on('data', (chunk: Buffer) => {
        const parts = (rest + chunk.toString()).split('\n');
        rest = parts.pop() ?? '';
        lines.push(...parts);
        child.emit('line');
      });
      const next = async (): Promise<IteratorResult<string>> => {
        while (lines.length === 0) await once(child, 'line', { signal: AbortSignal.timeout(10_000) });
        return { value: lines.shift() ?? '', done: false };
      };
      return { child, next };
    }

    test('programs, reads back equal, and repairs what was altered', async () => {
      assert.equal(await backend.inspect(place, options, 'capture'), 'absent');
      await capture.program(place, options, 'capture');
      assert.ok(await capture.isIntact(place, options, 'capture'));
      assert.equal(await capture.heal(place, options, 'capture'), 'intact');

      const tamper =
        backend.name === 'nftables'
          ? ['nft', 'flush', 'chain', 'inet', 'istio-ambient-nat', 'istio-output']
          : [
              `${backend.name === 'iptables-nft' ? 'iptables-nft' : 'iptables-legacy'}`,
              '-t',
              'nat',
              '-D',
              'ISTIO_OUTPUT',
              '1',
            ];
      await shell.run(place, tamper);
      assert.equal(await backend.inspect(place, options, 'capture'), 'different');
      assert.equal(await capture.heal(place, options, 'capture'), 'repaired');
      assert.ok(await capture.isIntact(place, options, 'capture'));

      await shell.run(place, ['ip', 'rule', 'del', 'priority', '32764']);
      assert.equal(await capture.heal(place, options, 'capture'), 'repaired');
      assert.ok(await capture.isIntact(place, options, 'capture'));
      await capture.remove(place);
    });

    test('rules once learned go into fresh pods and are read back from them without a process', async () => {
      const learned = new LearnedRules({ shell, backend, program, procRoot: '/proc' });
      const outcome = await learned.learn(options);
      // It keeps its rules elsewhere than in nftables.
      if (backend.name === 'iptables-legacy') return assert.equal(outcome.kind, 'not-learned');
      assert.deepEqual(outcome, { kind: 'learned' });
      // Pods that were programmed before are not fresh any more.
      const fresh = `${name}f`;
      const there: PodPlace = { kind: 'pod', id: fresh, enterPath: `/run/netns/${fresh}` };
      await mustRun(['ip', 'netns', 'add', fresh]);
      try {
        await mustRun(['ip', '-n', fresh, 'link', 'set', 'lo', 'up']);
        const refuse = (): Promise<never> => Promise.reject(new Error('a process was started'));
        const blind = { ...backend, inspect: refuse, apply: refuse, unguard: refuse, guard: refuse };
        const returnPath = new ReturnPath({ shell, eyes, procRoot: '/proc' });
        const swift = new PodCapture(Object.assign(Object.create(backend), blind), returnPath, eyes, learned);
        await swift.program(there, options, 'capture');
        assert.ok(await swift.isIntact(there, options, 'capture'));
        assert.equal(await backend.inspect(there, options, 'capture'), 'equal');
        await shell.run(there, ['nft', 'flush', 'ruleset']);
        await assert.rejects(swift.isIntact(there, options, 'capture'), /a process was started/);
        const careful = new PodCapture(backend, returnPath, eyes, learned);
        assert.equal(await careful.heal(there, options, 'capture'), 'repaired');
        assert.equal(await backend.inspect(there, options, 'capture'), 'equal');
      } finally {
        await mustRun(['ip', 'netns', 'delete', fresh]);
      }
    });

    test('removal leaves nothing, and may be repeated', async () => {
      const before = await inventory(place);
      await capture.program(place, options, 'capture');
      assert.notEqual(await inventory(place), before);
      await capture.remove(place);
      await capture.remove(place);
      assert.equal(await inventory(place), before);
      assert.equal(await backend.inspect(place, options, 'capture'), 'absent');
    });

    test('a guard left by a dead agent is cleared at the next look, and later looks start no process', async () => {
      await capture.program(place, options, 'capture');
      await backend.guard(place);
      const guards = async (): Promise<boolean> =>
        (
          await shell.attempt(place, ['sh', '-c', 'iptables-nft-save; iptables-legacy-save; nft list ruleset'])
        ).stdout.includes('ambit-repair-guard');
      assert.ok(await guards());
      assert.equal(await capture.heal(place, options, 'capture'), 'intact');
      assert.ok(!(await guards()));
      assert.ok(await capture.isIntact(place, options, 'capture'));
      const inspect = backend.inspect.bind(backend);
      backend.inspect = () => Promise.reject(new Error('a process was started'));
      try {
        assert.equal(await capture.heal(place, options, 'capture'), 'intact');
      } finally {
        backend.inspect = inspect;
      }
      await capture.remove(place);
    });

    test('connections outlive enrolment in either direction, new ones are captured, and both end as they began', async () => {
      const echo =
        "require('net').createServer((c)=>{c.on('error',()=>{});c.pipe(c)}).listen(PORT,()=>console.log('up'))";
      const client =
        "const c=require('net').connect(PORT,'HOST');c.on('connect',()=>console.log('connected'));c.on('data',(d)=>process.stdout.write(d));c.on('error',(e)=>console.log('error '+e.code));c.on('close',()=>console.log('closed'));process.stdin.on('data',(d)=>c.write(d))";
      const fill = (text: string, port: number, host = ''): string =>
        text.replace('PORT', String(port)).replace('HOST', host);
      for (const where of [place, peerPlace])
        assert.equal((await inNamespace(where, fill(echo, 8080)).next()).value, 'up');
      const say = async (stream: ReturnType<typeof inNamespace>, word: string): Promise<void> => {
        stream.child.stdin?.write(`${word}\n`);
        assert.equal((await stream.next()).value, word);
      };
      const outbound = inNamespace(place, fill(client, 8080, '10.77.0.2'));
      const inbound = inNamespace(peerPlace, fill(client, 8080, '10.77.0.1'));
      // Silent while the rules come in: the kernel first sees it when everything is captured already.
      const silent = inNamespace(place, fill(client, 8080, '10.77.0.2'));
      for (const stream of [outbound, inbound, silent]) {
        assert.equal((await stream.next()).value, 'connected');
        await say(stream, 'before');
      }

      await capture.program(place, options, 'carry');
      for (const stream of [outbound, inbound]) await say(stream, 'carry');
      await capture.program(place, options, 'capture');
      for (const stream of [outbound, inbound, silent]) await say(stream, 'captured');

      // Stands in for ztunnel: whatever is redirected to 15001 is answered with a sign.
      const stand =
        "require('net').createServer((c)=>{c.on('error',()=>{});c.on('data',(d)=>c.write('ztunnel '+d))}).listen(15001,()=>console.log('up'))";
      assert.equal((await inNamespace(place, stand).next()).value, 'up');
      const captured = inNamespace(place, fill(client, 8080, '10.77.0.2'));
      assert.equal((await captured.next()).value, 'connected');
      captured.child.stdin?.write('new\n');
      assert.equal((await captured.next()).value, 'ztunnel new');

      // Letting go of the pod: the captured connection goes on, a new one is direct.
      await capture.program(place, options, 'carry');
      captured.child.stdin?.write('still\n');
      assert.equal((await captured.next()).value, 'ztunnel still');
      const direct = inNamespace(place, fill(client, 8080, '10.77.0.2'));
      assert.equal((await direct.next()).value, 'connected');
      await say(direct, 'direct');

      await capture.remove(place);
      for (const stream of [outbound, inbound, silent, direct]) await say(stream, 'after');
      assert.equal(await carriedConnections(shell, place), 0);
    });
  });
}
