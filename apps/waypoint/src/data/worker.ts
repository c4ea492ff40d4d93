/**
 * Entry of a data worker thread: a loop that blocks in epoll, and the port to the control thread. Spec: worker-protocol.ts.
 */
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { EventLoop } from '@ambit/net';
import type { FromWorker, ToWorker, WorkerStart } from '../worker-protocol.ts';
import { DataWorker } from './data-worker.ts';

// `workerData` is written by control/data-worker.ts of this same program.
const { port, settings }: WorkerStart = workerData;
/** A thread that sleeps longer cannot be ended by the process. */
const longestWaitMs = 1000;
const loop = new EventLoop();
const post = (message: FromWorker): void => port.postMessage(message);
const worker = new DataWorker(loop, settings, post);

function drainPort(): void {
  for (;;) {
    const received: { message: ToWorker } | undefined = receiveMessageOnPort(port);
    if (received === undefined) return;
    worker.receive(received.message);
  }
}

loop.onWake(drainPort);
post({ kind: 'ready', wakeFd: loop.wakeFd });
drainPort();
while (!worker.isStopped) {
  loop.runOnce(longestWaitMs);
  // What a turn logged and counted leaves at its end, in one write.
  worker.flush();
}
port.close();
