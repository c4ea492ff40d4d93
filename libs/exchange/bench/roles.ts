/** The processes of bench/exchange.ts. Each turns its event loop and looks at messages of the parent between long turns. */
import { EventLoop } from '@ambit/net';

import { Backend, Run } from './load.ts';
import { makeAskers, serve, serveProxy } from './parts.ts';

interface Options {
  readonly port: number;
  readonly version: string;
  readonly connections: number;
  readonly streams: number;
}

const role = process.argv[2] ?? '';
const options = JSON.parse(process.argv[3] ?? '{}') as Options;
const loop = new EventLoop();

const tell = (message: object): void => {
  process.send?.(message);
};

function runClient(): void {
  const run = new Run();
  const askers = makeAskers(loop, run, options);
  tell({});
  process.on('message', (message: { readonly seconds?: number }) => {
    if (message.seconds === undefined) return;
    const deadline = performance.now() + message.seconds * 1000;
    run.begin(askers, () => performance.now() < deadline);
    while (run.running > 0) {
      run.ask();
      loop.runOnce(100);
    }
    tell({ requests: run.completed, p50Us: run.p50Us });
  });
}

process.on('message', (message: { readonly stop?: boolean }) => {
  if (message.stop === true) process.exit(0);
});

if (role === 'client') {
  runClient();
} else {
  const port = role === 'server' ? serve(loop, new Backend()) : serveProxy(loop, options.port, options.version);
  tell({ port });
  const turn = (): void => {
    const until = performance.now() + 200;
    while (performance.now() < until) loop.runOnce(20);
    setImmediate(turn);
  };
  turn();
}
