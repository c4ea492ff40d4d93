/**
 * Requests and bulk through client -> outbound proxy -> TLS -> inbound proxy -> server on loopback, one process each.
 *
 *   node bench/loopback.ts [--seconds 3] [--connections 16] [--mode rr|bulk-up|bulk-down|connect|idle|all]
 *
 * Prints requests a second, CPU microseconds a request of both proxies together, Gbit/s. Not a test: numbers depend on
 * the machine; data-path.md says what was measured before.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '16' },
    mode: { type: 'string', default: 'all' },
    idle: { type: 'string', default: '2000' },
    cpuprof: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const connections = Number(values.connections);

interface Message {
  readonly port: number;
  readonly result?: Record<string, number>;
}

function start(role: string, options: Record<string, unknown>): [ChildProcess, Promise<Message>] {
  const isProxy = role === 'inbound' || role === 'outbound';
  const execArgv = ['--expose-gc'];
  if (values.cpuprof && isProxy) execArgv.push('--cpu-prof', `--cpu-prof-name=${role}.cpuprofile`);
  const child = fork(new URL('roles.ts', import.meta.url), [role, JSON.stringify(options)], { execArgv });
  return [child, new Promise((resolve) => child.on('message', (message) => resolve(message as Message)))];
}

/** User and system microseconds of a process. */
function cpuUs(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function privateKiB(child: ChildProcess): number {
  const text = readFileSync(`/proc/${child.pid}/smaps_rollup`, 'latin1');
  let sum = 0;
  for (const match of text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB/gm)) sum += Number(match[1]);
  return sum;
}

const { makeTestCa } = await import('@ambit/testing');
const ca = makeTestCa();
const clientCertificate = ca.issue('spiffe://cluster.local/ns/a/sa/client');
const serverCertificate = ca.issue('spiffe://cluster.local/ns/b/sa/server');

const [server, serverUp] = start('server', {});
const { port: serverPort } = await serverUp;
const [inbound, inboundUp] = start('inbound', { certificate: serverCertificate });
const { port: hbonePort } = await inboundUp;
const [outbound, outboundUp] = start('outbound', { certificate: clientCertificate, hbonePort, serverPort });
const { port } = await outboundUp;

async function run(mode: string, count: number): Promise<void> {
  const before = [cpuUs(inbound), cpuUs(outbound)];
  const [load, done] = start('load', { mode, port, connections: count, seconds });
  const { result } = await done;
  const cpu = [cpuUs(inbound) - (before[0] ?? 0), cpuUs(outbound) - (before[1] ?? 0)];
  const total = (cpu[0] ?? 0) + (cpu[1] ?? 0);
  const requests = result?.['requests'] ?? 0;
  const bytes = result?.['bytes'] ?? 0;
  const took = result?.['seconds'] ?? 1;
  const line: Record<string, string | number> = { mode, connections: count };
  if (requests > 0) {
    line['req/s'] = Math.round(requests / took);
    line['p50 us'] = result?.['p50Us'] ?? 0;
    line['cpu us/req'] = (total / requests).toFixed(1);
    line['in/out'] = `${((cpu[0] ?? 0) / requests).toFixed(1)}/${((cpu[1] ?? 0) / requests).toFixed(1)}`;
  }
  if (mode.startsWith('bulk')) {
    line['Gbit/s'] = ((bytes * 8) / took / 1e9).toFixed(2);
    line['cpu s/GB'] = (total / 1e6 / (bytes / 1e9)).toFixed(2);
  }
  line['private MiB in/out'] = `${(privateKiB(inbound) / 1024).toFixed(0)}/${(privateKiB(outbound) / 1024).toFixed(0)}`;
  console.log(JSON.stringify(line));
  load.kill();
}

async function idle(count: number): Promise<void> {
  for (const proxy of [inbound, outbound]) proxy.send('gc');
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = [privateKiB(inbound), privateKiB(outbound)];
  const [load, done] = start('load', { mode: 'idle', port, connections: count, seconds });
  await done;
  for (const proxy of [inbound, outbound]) proxy.send('gc');
  await new Promise((resolve) => setTimeout(resolve, 500));
  const per = [inbound, outbound].map((proxy, i) => ((privateKiB(proxy) - (before[i] ?? 0)) / count).toFixed(1));
  console.log(JSON.stringify({ mode: 'idle', connections: count, 'KiB a connection in/out': per.join('/') }));
  load.kill();
}

const modes = values.mode === 'all' ? ['idle', 'rr', 'connect', 'bulk-up', 'bulk-down'] : [values.mode];
for (const mode of modes) {
  if (mode === 'idle') await idle(Number(values.idle));
  else if (mode === 'rr') for (const count of values.mode === 'all' ? [16, 64] : [connections]) await run('rr', count);
  else await run(mode, mode === 'connect' ? 16 : 1);
}
for (const child of [inbound, outbound]) child.send('stop');
server.kill();
