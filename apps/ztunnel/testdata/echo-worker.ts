/** Stands in for a data worker: sleeps in the real loop, answers every question, and reports what it was told. */
import { io, type LoopProgram, type LoopThread, runLoopWorker } from '@ambit/net';
import type { DataSettings, FromWorker, ToWorker } from '../src/worker-protocol.ts';

class EchoWorker implements LoopProgram<ToWorker> {
  readonly #id: number;
  readonly #post: (message: FromWorker) => void;
  isStopped = false;

  constructor({ id, post }: LoopThread<DataSettings, FromWorker>) {
    this.#id = id;
    this.#post = post;
  }

  receive(message: ToWorker): void {
    const id = this.#id;
    const fields = { told: message.kind };
    this.#post({ kind: 'log', level: 'info', scope: 'echo', message: 'told', fields });
    switch (message.kind) {
      case 'proxyAdd': {
        const { uid, info, netnsFd } = message;
        if (netnsFd !== undefined) io.close(netnsFd);
        if (info.name === `bad-${id}`) this.#post({ kind: 'proxyFailed', uid, error: 'port taken' });
        else this.#post({ kind: 'proxyStarted', uid });
        return;
      }
      case 'listConnections': {
        const protocol = 'TCP' as const;
        const inbound = [{ src: `10.0.0.${id}:1`, originalDst: null, actualDst: '10.0.0.9:80', protocol }];
        return this.#post({ kind: 'connections', query: message.query, pods: { u1: { inbound, outbound: [] } } });
      }
      case 'drain':
        return this.#post({ kind: 'drained', cutConnections: id + 1 });
      case 'stop':
        this.isStopped = true;
        return;
      default:
    }
  }

  flush(): void {}
}

runLoopWorker<DataSettings, ToWorker, FromWorker>((thread) => new EchoWorker(thread));
