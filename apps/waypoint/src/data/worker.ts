/** Entry of a data worker thread. What it and the control thread say to each other: worker-protocol.ts. */
import { runLoopWorker } from '@ambit/net';
import type { DataSettings, FromWorker, ToWorker } from '../worker-protocol.ts';
import { DataWorker } from './data-worker.ts';

runLoopWorker<DataSettings, ToWorker, FromWorker>(({ loop, settings, post }) => new DataWorker(loop, settings, post));
