/**
 * The access log: one line per connection at its end, written as bytes, batched, without promises or timers, so that a
 * blocking worker can use it. The loop calls `flush` once per turn. What the sink does not take stays in a bounded
 * buffer; what no longer fits is dropped and counted.
 * Istio: contract/data-plane.md 7.3, key order and both formats to the byte.
 */
import { LineBuffer } from './line-buffer.ts';
import { isLevelEnabled, type LogLevel } from './log-levels.ts';
import { LogTime, wallTimeMicros } from './log-time.ts';

/** An address as the line shows it, `ip:port` or `[ip]:port`. */
export interface LoggedAddress {
  readonly address: string;
  readonly port: number;
}

/** Facts of one connection. Absent and undefined keys are left out of the line. */
export interface AccessLogEntry {
  readonly sourceAddress: LoggedAddress;
  readonly sourceWorkload?: string | undefined;
  readonly sourceNamespace?: string | undefined;
  /** Only with mutual TLS. */
  readonly sourceIdentity?: string | undefined;
  readonly sourceCluster?: string | undefined;
  readonly destinationAddress: LoggedAddress;
  /** The CONNECT authority. */
  readonly hboneAddress?: string | undefined;
  readonly destinationService?: string | undefined;
  readonly destinationWorkload?: string | undefined;
  readonly destinationNamespace?: string | undefined;
  readonly destinationIdentity?: string | undefined;
  readonly destinationCluster?: string | undefined;
  readonly direction: 'inbound' | 'outbound';
  /** From the view of this proxy's application: outbound sent = client to server, inbound sent = server to client. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly durationMs: number;
  /** Present makes the line an error. */
  readonly error?: string | undefined;
}

/** Text or number of a diagnostic line. */
export type LogField = readonly [key: string, value: string | number];

/**
 * Takes bytes and returns how many it took, or a negative errno; 0 and negative mean "try again later".
 * `io.write` of libs/net has this shape once the descriptor is bound.
 */
export type LogSink = (bytes: Uint8Array, offset: number, length: number) => number;

/** Settings of the writer. */
export interface AccessLogOptions {
  readonly format: 'text' | 'json';
  readonly sink: LogSink;
  /** Largest number of bytes in one call of the sink, in whole lines; `PIPE_BUF` keeps lines whole on shared pipes. */
  readonly maxWriteBytes?: number;
  /** Default 256 KiB. */
  readonly capacityBytes?: number;
  readonly level?: LogLevel;
  readonly wallTimeMs?: () => number;
}

const SCOPE = 'access';

/** @see module comment. One per thread. */
export class AccessLogWriter {
  /** Level of the scope `access`; changed at run time by the control thread's message. */
  level: LogLevel;
  readonly #buffer: LineBuffer;
  readonly #isJson: boolean;
  readonly #sink: LogSink;
  readonly #maxWriteBytes: number;
  readonly #time = new LogTime();
  readonly #wallTimeMs: () => number;
  #hasField = false;
  #dropped = 0;

  constructor(options: AccessLogOptions) {
    this.level = options.level ?? 'info';
    this.#buffer = new LineBuffer(options.capacityBytes ?? 256 * 1024);
    this.#isJson = options.format === 'json';
    this.#sink = options.sink;
    this.#maxWriteBytes = options.maxWriteBytes ?? Number.MAX_SAFE_INTEGER;
    this.#wallTimeMs = options.wallTimeMs ?? wallTimeMicros;
  }

  /** Lines lost because the sink did not keep up; only grows. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Bytes waiting for the sink. */
  get pendingBytes(): number {
    return this.#buffer.length;
  }

  /** The line at the end of a connection: info, or error when `entry.error` is there. */
  complete(entry: AccessLogEntry): void {
    const level = entry.error === undefined ? 'info' : 'error';
    if (!isLevelEnabled(this.level, level)) return;
    this.#begin(level, SCOPE, 'connection complete');
    this.#peers(entry);
    this.#quoted('direction', entry.direction);
    this.#number('bytes_sent', entry.bytesSent);
    this.#number('bytes_recv', entry.bytesReceived);
    this.#quoted('duration', `${Math.floor(entry.durationMs)}ms`);
    this.#quoted('error', entry.error);
    this.#end();
  }

  /** The line at the start of a connection, debug. */
  opened(entry: Omit<AccessLogEntry, 'bytesSent' | 'bytesReceived' | 'durationMs' | 'error'>): void {
    if (!isLevelEnabled(this.level, 'debug')) return;
    this.#begin('debug', SCOPE, 'connection opened');
    this.#peers(entry);
    this.#quoted('direction', entry.direction);
    this.#end();
  }

  /** A connection refused before anything but its addresses was known. */
  denied(source: LoggedAddress, destination: LoggedAddress, direction: 'inbound' | 'outbound', error: string): void {
    if (!isLevelEnabled(this.level, 'warn')) return;
    this.#begin('warn', SCOPE, 'connection failed');
    this.#address('src.addr', source);
    this.#address('dst.addr', destination);
    this.#quoted('direction', direction);
    this.#quoted('error', error);
    this.#end();
  }

  /** A diagnostic line of the worker under another scope; the caller has checked that scope's level. */
  event(level: Exclude<LogLevel, 'off'>, scope: string, message: string, fields: readonly LogField[] = []): void {
    this.#begin(level, scope, message);
    for (const [key, value] of fields) {
      if (typeof value === 'string') this.#quoted(key, value);
      else if (this.#isJson && !Number.isFinite(value)) this.#quoted(key, String(value));
      else this.#raw(key, String(value));
    }
    this.#end();
  }

  /** Offers whole lines to the sink until it refuses or nothing is left. Never throws for a refusal. */
  flush(): void {
    const buffer = this.#buffer;
    let done = 0;
    while (done < buffer.length) {
      const taken = this.#sink(buffer.bytes, done, buffer.wholeLines(done, this.#maxWriteBytes));
      if (taken <= 0) break;
      done += taken;
    }
    if (done > 0) buffer.consume(done);
  }

  #begin(level: LogLevel, scope: string, message: string): void {
    const buffer = this.#buffer;
    const time = this.#time.format(this.#wallTimeMs());
    this.#hasField = false;
    if (this.#isJson) {
      buffer.text('{"level":"');
      buffer.text(level);
      buffer.text('","time":"');
      buffer.text(time);
      buffer.text('","scope":');
      buffer.quoted(scope, 'json');
      buffer.text(',"message":');
      buffer.quoted(message, 'json');
      return;
    }
    buffer.text(time);
    buffer.byte(0x09);
    buffer.text(level);
    buffer.byte(0x09);
    buffer.text(scope);
    buffer.byte(0x09);
    buffer.text(message);
    buffer.byte(0x09);
  }

  #end(): void {
    if (this.#isJson) this.#buffer.byte(0x7d);
    if (!this.#buffer.endLine()) this.#dropped += 1;
    // A turn with very many connections must not lose lines while the sink would take them.
    if (this.#buffer.length > this.#buffer.bytes.length / 2) this.flush();
  }

  #peers(entry: Omit<AccessLogEntry, 'bytesSent' | 'bytesReceived' | 'durationMs' | 'error'>): void {
    this.#address('src.addr', entry.sourceAddress);
    this.#quoted('src.workload', entry.sourceWorkload);
    this.#quoted('src.namespace', entry.sourceNamespace);
    this.#quoted('src.identity', entry.sourceIdentity);
    this.#quoted('src.cluster', entry.sourceCluster);
    this.#address('dst.addr', entry.destinationAddress);
    this.#displayed('dst.hbone_addr', entry.hboneAddress);
    this.#quoted('dst.service', entry.destinationService);
    this.#quoted('dst.workload', entry.destinationWorkload);
    this.#quoted('dst.namespace', entry.destinationNamespace);
    this.#quoted('dst.identity', entry.destinationIdentity);
    this.#quoted('dst.cluster', entry.destinationCluster);
  }

  #key(key: string): void {
    const buffer = this.#buffer;
    if (this.#isJson) {
      buffer.byte(0x2c);
      buffer.quoted(key, 'json');
      buffer.byte(0x3a);
      return;
    }
    if (this.#hasField) buffer.byte(0x20);
    this.#hasField = true;
    buffer.text(key);
    buffer.byte(0x3d);
  }

  #quoted(key: string, value: string | undefined): void {
    if (value === undefined) return;
    this.#key(key);
    this.#buffer.quoted(value, this.#isJson ? 'json' : 'debug');
  }

  /** Unquoted in text. A control character would break the line, so such a value is quoted after all. */
  #displayed(key: string, value: string | undefined): void {
    if (value === undefined) return;
    if (this.#isJson || !isPlain(value)) return this.#quoted(key, value);
    this.#raw(key, value);
  }

  #raw(key: string, value: string): void {
    this.#key(key);
    this.#buffer.text(value);
  }

  #number(key: string, value: number): void {
    this.#key(key);
    this.#buffer.integer(value);
  }

  #address(key: string, { address, port }: LoggedAddress): void {
    const buffer = this.#buffer;
    this.#key(key);
    if (this.#isJson) buffer.byte(0x22);
    if (address.includes(':')) {
      buffer.byte(0x5b);
      buffer.text(address);
      buffer.byte(0x5d);
    } else {
      buffer.text(address);
    }
    buffer.byte(0x3a);
    buffer.integer(port);
    if (this.#isJson) buffer.byte(0x22);
  }
}

function isPlain(value: string): boolean {
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || code === 0x22) return false;
  }
  return true;
}
