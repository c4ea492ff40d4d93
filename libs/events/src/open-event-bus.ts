import { EventBus } from './event-bus.ts';
import { EventError } from './event-error.ts';
import type { EventTransport } from './event-transport.ts';
import { InProcessTransport } from './in-process-transport.ts';
import { NatsTransport } from './nats-transport.ts';
import { UnixTransport } from './unix-transport.ts';

export interface OpenEventBusOptions {
  /**
   * The setting `AMBIT_BUS`: `unix:<path>`, or `nats://host:port` and more of them after commas; empty or undefined
   * keeps events in this process.
   */
  readonly address: string | undefined;
  /** Who publishes, such as `ztunnel/node1`. */
  readonly source: string;
  /** For NATS servers that want one. */
  readonly token?: string;
  /** See `NatsTransportOptions`. */
  readonly keepsAudit?: boolean;
  readonly onFailure?: (message: string) => void;
}

/** The bus that a process is configured for. Does not wait for it. Throws EventError `BAD_ADDRESS`. */
export function openEventBus(options: OpenEventBusOptions): EventBus {
  const { source, onFailure } = options;
  return new EventBus({ transport: openTransport(options), source, ...(onFailure === undefined ? {} : { onFailure }) });
}

function openTransport({ address = '', source, token, keepsAudit }: OpenEventBusOptions): EventTransport {
  if (address === '') return new InProcessTransport();
  if (address.startsWith('unix:')) return new UnixTransport({ path: address.slice('unix:'.length) });
  const servers = address.split(',').map((server) => server.trim());
  if (!servers.every((server) => /^(nats|tls):\/\/./.test(server))) {
    throw new EventError('BAD_ADDRESS', `the event bus is unix:<path> or nats://host:port, not ${address}`);
  }
  return new NatsTransport({
    servers,
    name: source,
    ...(token === undefined ? {} : { token }),
    ...(keepsAudit === undefined ? {} : { keepsAudit }),
  });
}
