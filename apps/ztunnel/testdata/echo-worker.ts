/** Stands in for a data worker: sleeps in the real loop, answers every question, and reports what it was told. */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { EventLoop, io } from '@ambit/net';
import type { FromWorker, ToWorker } from '../src/worker-protocol.ts';

const { port, workerId }: { readonly port: MessagePort; readonly workerId: number } = workerData;
const loop = new EventLoop();
const post = (message: FromWorker): void => port.postMessage(message);

function take(message: ToWorker): void {
  const fields = { told: message.kind };
  post({ kind: 'log', level: 'info', scope: 'echo', message: 'told', fields });
  switch (message.kind) {
    case 'proxyAdd':
      if (message.netnsFd !== undefined) io.close(message.netnsFd);
      if (message.info.name === `bad-${workerId}`) post({ kind: 'proxyFailed', uid: message.uid, error: 'port taken' });
      else post({ kind: 'proxyStarted', uid: message.uid });
      return;
    case 'listConnections': {
      const inbound = [{ src: `10.0.0.${workerId}:1`, originalDst: null, actualDst: '10.0.0.9:80', protocol: 'TCP' as const }];
      return post({ kind: 'connections', query: message.query, pods: { u1: { inbound, outbound: [] } } });
    }
    case 'drain':
      return post({ kind: 'drained', cutConnections: workerId + 1 });
    case 'stop':
      return loop.stop();
    default:
  }
}

loop.onWake(() => {
  for (let received = receiveMessageOnPort(port); received; received = receiveMessageOnPort(port)) take(received.message);
});
post({ kind: 'ready', wakeFd: loop.wakeFd });
loop.run();
