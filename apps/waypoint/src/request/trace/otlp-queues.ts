import { proxy } from '@ambit/api';
import { toBinary } from '@bufbuild/protobuf';

import { OtlpQueue, type OtlpSurroundings } from './otlp-queue.ts';
import { type Attribute, type OtlpProducer, resourceAttributes } from './otlp-resource.ts';

/** What is told by one kind of OTLP message. */
export interface OtlpSignal<T> {
  /** Path of the gRPC call. */
  readonly method: string;
  encode(resource: readonly Attribute[], items: readonly T[]): Uint8Array;
}

/** One queue for each collector, whichever settings name it. */
export class OtlpQueues<T> {
  readonly #options: OtlpSurroundings & OtlpProducer;
  readonly #signal: OtlpSignal<T>;
  readonly #byCollector = new Map<string, OtlpQueue<T>>();

  constructor(options: OtlpSurroundings & OtlpProducer, signal: OtlpSignal<T>) {
    this.#options = options;
    this.#signal = signal;
  }

  /** What no collector took. */
  get dropped(): number {
    return [...this.#byCollector.values()].reduce((sum, { dropped }) => sum + dropped, 0);
  }

  of(collector: proxy.Telemetry_Collector): OtlpQueue<T> {
    const key = Buffer.from(toBinary(proxy.Telemetry_CollectorSchema, collector)).toString('latin1');
    const known = this.#byCollector.get(key);
    if (known !== undefined) return known;
    const resource = resourceAttributes(this.#options, collector.readsEnvironment);
    const { method } = this.#signal;
    const queue = new OtlpQueue<T>(this.#options, collector, method, (items) => this.#signal.encode(resource, items));
    this.#byCollector.set(key, queue);
    return queue;
  }
}
