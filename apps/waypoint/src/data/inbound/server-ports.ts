import { type Fd, io } from '@ambit/net';

import type { ConfigSnapshot } from '../../config/config-snapshot.ts';
import type { CompiledServer } from '../../config/server.ts';
import { Listener } from '../listener.ts';
import { EdgeConnection, type EdgeSurroundings } from './edge-connection.ts';

export interface ServerPortsOptions extends EdgeSurroundings {
  /** Undefined: every address. */
  readonly listenAddress: string | undefined;
  readonly isIpv6Enabled: boolean;
  onListenFailed(port: number, error: string): void;
  /** Clients that are connected are held to other revocation lists now. */
  onListsChanged(): void;
}

/** The ports of a gateway: opened and closed as the configuration says. */
export class ServerPorts {
  readonly #options: ServerPortsOptions;
  readonly #listeners = new Map<number, Listener>();
  /** Of all listeners, as one text. */
  #revocations = '';

  constructor(options: ServerPortsOptions) {
    this.#options = options;
  }

  /** Opens what is new and closes what is gone; connections of the latter go on. */
  update({ servers }: ConfigSnapshot): void {
    for (const [port, listener] of this.#listeners) {
      if (servers.has(port)) continue;
      listener.close();
      this.#listeners.delete(port);
    }
    for (const port of servers.keys()) if (!this.#listeners.has(port)) this.#open(port);
    const revocations = revocationsOf(servers.values());
    if (revocations === this.#revocations) return;
    this.#revocations = revocations;
    this.#options.onListsChanged();
  }

  close(): void {
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
  }

  #open(port: number): void {
    const { loop, listenAddress, isIpv6Enabled, onListenFailed } = this.#options;
    const address = listenAddress ?? (isIpv6Enabled ? '::' : '0.0.0.0');
    const fd = io.tcpListen({ address, port, reusePort: true, dualStack: address === '::', backlog: 1024 });
    if (fd < 0) return onListenFailed(port, `errno ${-fd}`);
    this.#listeners.set(port, new Listener(loop, fd, (accepted) => this.#accept(accepted, port)));
  }

  #accept(fd: Fd, port: number): void {
    const config = this.#options.config();
    const server = config?.servers.get(port);
    if (config === undefined || server === undefined) {
      io.close(fd);
      return;
    }
    io.setNoDelay(fd, true);
    new EdgeConnection(this.#options, config, server, fd).start();
  }
}

function revocationsOf(servers: Iterable<CompiledServer>): string {
  return [...servers]
    .flatMap(({ port, listeners }) =>
      listeners.map(({ name, tls }) => `${port}/${name} ${tls?.clientRevocationsPem ?? ''}`),
    )
    .join('\n');
}
