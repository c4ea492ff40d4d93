/**
 * The CPU of a proxy on a machine that others use: client, proxy and server in one process and one event loop. What is left of
 * the CPU time a request without half of a direct exchange in each version, for client and server, is the proxy's.
 *
 *   node bench/one-process.ts [--requests 100000] [--connections 16] [--streams 16] [--front h1|h2|all] [--back h1|h2|all]
 */
import { parseArgs } from 'node:util';

import { EventLoop } from '@ambit/net';

import { Backend, Run } from './load.ts';
import { makeAskers, serve, serveProxy } from './parts.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    connections: { type: 'string', default: '16' },
    streams: { type: 'string', default: '16' },
    front: { type: 'string', default: 'all' },
    back: { type: 'string', default: 'h1' },
  },
});
const requests = Number(values.requests);
/** The least of these counts: what others on the machine do only adds. */
const rounds = 10;

/** CPU microseconds a request of everything in this process, after a warm-up. */
function measure(port: number, loop: EventLoop, version: string, front: string, isFront: boolean): number {
  const run = new Run();
  const streams = Number(values.streams);
  const connections = Number(values.connections);
  // A proxy needs as many connections of HTTP/1.1 as there are requests at once.
  const shape =
    version === 'h2'
      ? { connections, streams }
      : { connections: isFront ? connections : connections * (front === 'h1' ? 1 : streams), streams: 1 };
  const askers = makeAskers(loop, run, { port, version, ...shape });
  const runFor = (count: number): void => {
    run.begin(askers, () => run.completed < count);
    while (run.running > 0) {
      run.ask();
      loop.runOnce(100);
    }
  };
  runFor(requests / rounds);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    runFor(requests / rounds);
    const used = process.cpuUsage(before);
    least = Math.min(least, (used.user + used.system) / run.completed);
  }
  return least;
}

const versionsOf = (text: string): readonly string[] => (text === 'all' ? ['h1', 'h2'] : [text]);

for (const front of versionsOf(values.front)) {
  for (const back of versionsOf(values.back)) {
    const loop = new EventLoop();
    const serverPort = serve(loop, new Backend());
    const proxyPort = serveProxy(loop, serverPort, back);
    const through = measure(proxyPort, loop, front, front, true);
    const ends = (measure(serverPort, loop, front, front, true) + measure(serverPort, loop, back, front, false)) / 2;
    const text = `${through.toFixed(1)} us CPU/req with proxy, ${ends.toFixed(1)} for client and server`;
    console.log(`${front} -> ${back}: proxy ${(through - ends).toFixed(1)} us CPU/req (${text})`);
  }
}
