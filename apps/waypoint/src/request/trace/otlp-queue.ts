/** Sends what is told to one OTLP collector in the mesh, in batches, over the same upstreams as requests. */
import type { proxy } from '@ambit/api';
import { FieldList, type RequestHead } from '@ambit/exchange';
import { frameOf } from '@ambit/grpc';
import { isFieldName, isFieldValue } from '@ambit/http';

import { type ServiceTarget, serviceTarget } from '../../config/backend-target.ts';
import type { ConfigSnapshot } from '../../config/config-snapshot.ts';
import { durationMs } from '../../config/duration.ts';
import { Alarm, type AlarmUser } from '../alarm.ts';
import { grpcCallHead } from '../grpc-call.ts';
import type { Timers } from '../timers.ts';
import { UnaryExchange, type UnaryPeer } from '../unary-exchange.ts';
import type { Upstreams } from '../upstream.ts';

export interface OtlpSurroundings {
  readonly timers: Timers;
  readonly upstreams: Upstreams;
}

const batchItems = 512;
/** Kept while a collector is slow or away; more are dropped. */
const maxWaiting = 2048;
const intervalMs = 1000;
const defaultTimeoutMs = 10_000;

export class OtlpQueue<T> implements AlarmUser<'flush'> {
  readonly #surroundings: OtlpSurroundings;
  readonly #collector: proxy.Telemetry_Collector;
  readonly #method: string;
  readonly #encode: (items: readonly T[]) => Uint8Array;
  readonly #alarm: Alarm<'flush'>;
  #waiting: T[] = [];
  #target: ServiceTarget | undefined;
  #isAlarmSet = false;
  #isSending = false;
  #dropped = 0;

  /** `method`: path of the gRPC call. `encode` makes the message of a batch. */
  constructor(
    surroundings: OtlpSurroundings,
    collector: proxy.Telemetry_Collector,
    method: string,
    encode: (items: readonly T[]) => Uint8Array,
  ) {
    this.#surroundings = surroundings;
    this.#collector = collector;
    this.#method = method;
    this.#encode = encode;
    this.#alarm = new Alarm(surroundings.timers, this, 'flush');
  }

  /** What no collector took. */
  get dropped(): number {
    return this.#dropped;
  }

  /** `make` is asked only if there is room. The collector is looked up in the configuration of the request that is told of. */
  add(config: ConfigSnapshot | undefined, make: () => T): void {
    this.#target = config === undefined ? undefined : targetOf(config, this.#collector);
    if (this.#target === undefined || this.#waiting.length >= maxWaiting) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(make());
    if (this.#waiting.length >= batchItems) this.#send();
    else this.#setAlarm();
  }

  onAlarm(): void {
    this.#isAlarmSet = false;
    this.#send();
  }

  #setAlarm(): void {
    if (this.#isAlarmSet || this.#isSending) return;
    this.#isAlarmSet = true;
    this.#alarm.set(intervalMs);
  }

  /** One batch at a time; what fails is lost, as a second copy would be worse than none. */
  #send(): void {
    const target = this.#target;
    if (this.#isSending || target === undefined || this.#waiting.length === 0) return;
    const items = this.#waiting.splice(0, batchItems);
    this.#isSending = true;
    const peer = { target, timeoutMs: durationMs(this.#collector.timeout) ?? defaultTimeoutMs };
    const exchange = new UnaryExchange(this.#surroundings, peer, (answer) => {
      this.#isSending = false;
      if (answer?.head.status !== 200) this.#dropped += items.length;
      if (this.#waiting.length > 0) this.#setAlarm();
    });
    const message = this.#encode(items);
    if (this.#collector.httpPath === '') {
      exchange.start(this.#withHeaders(grpcCallHead(peer, this.#method)), frameOf(message), undefined);
    } else {
      exchange.start(this.#withHeaders(postHead(peer, this.#collector.httpPath, message)), message, undefined);
    }
  }

  #withHeaders(head: RequestHead): RequestHead {
    for (const [name, value] of Object.entries(this.#collector.headers))
      if (isFieldName(name) && isFieldValue(value)) head.fields.set(name, value);
    return head;
  }
}

/** OTLP over HTTP. */
function postHead({ target: { hostname, port } }: UnaryPeer, path: string, message: Uint8Array): RequestHead {
  const fields = new FieldList();
  fields.add('content-type', 'application/x-protobuf');
  return {
    method: 'POST',
    scheme: 'http',
    authority: `${hostname}:${port}`,
    target: path,
    fields,
    protocol: 'HTTP/1.1',
    contentLength: message.length,
    hasBody: true,
    upgrade: undefined,
    expectsContinue: false,
  };
}

/** The collector is a destination of this proxy like any other; undefined if it is not among them. */
function targetOf({ destinations }: ConfigSnapshot, collector: proxy.Telemetry_Collector): ServiceTarget | undefined {
  const { hostname, port } = collector;
  if (hostname === '') return undefined;
  for (const { destination } of destinations.values()) {
    if (destination.hostname === hostname) return serviceTarget(destination.namespace, hostname, port);
  }
  return undefined;
}
