import { LoopWorker, type LoopWorkerOptions } from '@ambit/net';
import type { DataSettings, FromWorker, ToWorker } from '../worker-protocol.ts';

const maxYoungGenerationMb = 12;

/** One data worker as the control thread sees it. A worker that dies takes the process with it. */
export class DataWorker extends LoopWorker<DataSettings, ToWorker, FromWorker> {
  constructor(options: Pick<LoopWorkerOptions<DataSettings, FromWorker>, 'id' | 'settings' | 'onMessage' | 'onDeath'>) {
    super({ ...options, entry: new URL('../data/worker.ts', import.meta.url), maxYoungGenerationMb });
  }
}
