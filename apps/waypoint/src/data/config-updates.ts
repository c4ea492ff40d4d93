/** Compiles what the control thread passed on; it compiled the same bytes before, so a failure here is a bug worth a line. */
import { compileDestination } from '../config/destination.ts';
import type { ConfigChange } from '../config/config-snapshot.ts';
import type { Compiled } from '../config/problems.ts';
import { compileProxy } from '../config/proxy.ts';
import { compileServer } from '../config/server.ts';
import type { ConfigUpdate } from '../worker-protocol.ts';

export function readConfigUpdate(update: ConfigUpdate, onBad: (name: string, reason: string) => void): ConfigChange {
  const read = <T>(name: string, compiled: Compiled<T>): T | undefined => {
    if (compiled.kind === 'ok') return compiled.value;
    onBad(name, compiled.problems.join('; '));
    return undefined;
  };
  const readAll = <T>(
    entries: ConfigUpdate['destinations'],
    compile: (bytes: Uint8Array) => Compiled<T>,
  ): ReadonlyMap<string, T | undefined> => {
    const changes = new Map<string, T | undefined>();
    for (const [name, bytes] of entries) {
      const value = bytes === undefined ? undefined : read(name, compile(bytes));
      if (value !== undefined || bytes === undefined) changes.set(name, value);
    }
    return changes;
  };
  const proxy = update.proxy === undefined ? undefined : read('proxy', compileProxy(update.proxy));
  return {
    ...(proxy === undefined ? {} : { proxy }),
    destinations: readAll(update.destinations, compileDestination),
    servers: readAll(update.servers, compileServer),
  };
}
