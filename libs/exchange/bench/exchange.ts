/**
 * Requests through a proxy made of this library's connections: client process -> proxy process (one thread) -> server process,
 * loopback sockets, small answers of 1 KB.
 *
 *   node bench/exchange.ts [--seconds 3] [--connections 16] [--streams 16] [--front h1|h2|all] [--back h1|h2|all] [--cpuprof]
 *
 * Prints requests a second and CPU microseconds a request of the proxy. Not a test: numbers depend on the machine;
 * data-path.md, "The L7 path", says what was measured before (own codecs over raw epoll: 12.5 us HTTP/1.1, 9.2 us HTTP/2 in).
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '16' },
    streams: { type: 'string', default: '16' },
    front: { type: 'string', default: 'all' },
    back: { type: 'string', default: 'h1' },
    cpuprof: { type: 'boolean', default: false },
  },
});

interface Message {
  readonly port?: number;
  readonly requests?: number;
  readonly p50Us?: number;
}

function start(role: string, options: Readonly<Record<string, unknown>>): ChildProcess {
  const execArgv: string[] = [];
  if (values.cpuprof && role === 'proxy') execArgv.push('--cpu-prof', '--cpu-prof-name=exchange-proxy.cpuprofile');
  return fork(new URL('roles.ts', import.meta.url), [role, JSON.stringify(options)], { execArgv });
}

const message = (child: ChildProcess): Promise<Message> =>
  new Promise((resolve) => child.once('message', (value: Message) => resolve(value)));

/** User and system microseconds of a process. */
function cpuUs(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

const rssMiB = (child: ChildProcess): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))?.[1] ?? 0) / 1024;

const versionsOf = (text: string): readonly string[] => (text === 'all' ? ['h1', 'h2'] : [text]);

for (const front of versionsOf(values.front)) {
  for (const back of versionsOf(values.back)) {
    const server = start('server', {});
    const serverPort = (await message(server)).port;
    const proxy = start('proxy', { port: serverPort, version: back });
    const proxyPort = (await message(proxy)).port;
    const streams = front === 'h2' ? Number(values.streams) : 1;
    const client = start('client', {
      port: proxyPort,
      version: front,
      connections: Number(values.connections),
      streams,
    });
    await message(client);
    const measure = async (
      seconds: number,
    ): Promise<{ requests: number; cpu: number; p50Us: number; seconds: number }> => {
      const cpuBefore = cpuUs(proxy);
      const before = performance.now();
      client.send({ seconds });
      const { requests = 0, p50Us = 0 } = await message(client);
      return { requests, p50Us, cpu: cpuUs(proxy) - cpuBefore, seconds: (performance.now() - before) / 1000 };
    };
    await measure(1);
    const result = await measure(Number(values.seconds));
    const perSecond = Math.round(result.requests / result.seconds);
    const cpu = (result.cpu / result.requests).toFixed(1);
    const rss = rssMiB(proxy).toFixed(0);
    console.log(`${front} -> ${back}: ${perSecond} req/s, p50 ${result.p50Us} us, ${cpu} us CPU/req, RSS ${rss} MiB`);
    for (const child of [client, proxy, server]) child.send({ stop: true });
    await new Promise((resolve) => setTimeout(resolve, values.cpuprof ? 1500 : 200));
    for (const child of [client, proxy, server]) child.kill();
  }
}
