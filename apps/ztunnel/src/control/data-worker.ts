import { LoopWorker, type LoopWorkerOptions } from '@ambit/net';
import type { DataSettings, FromWorker, ToWorker } from '../worker-protocol.ts';

type Options = LoopWorkerOptions<DataSettings, FromWorker>;

/** `entry`: another program than the data half, for tests. */
export type DataWorkerOptions = Omit<Options, 'entry' | 'maxYoungGenerationMb'> & Partial<Pick<Options, 'entry'>>;

/** A worker keeps little of what it allocates. */
const maxYoungGenerationMb = 6;

/**
 * One data worker as the control thread sees it. A worker that dies takes the process with it: its pods would be captured
 * by nobody.
 */
export class DataWorker extends LoopWorker<DataSettings, ToWorker, FromWorker> {
  constructor(options: DataWorkerOptions) {
    super({ entry: new URL('../data/worker.ts', import.meta.url), ...options, maxYoungGenerationMb });
  }
}
