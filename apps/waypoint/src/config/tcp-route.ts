/** Routes of connections that are not read as HTTP. Compiled from ambit.v1.TcpRoute. */
import type { route as messages } from '@ambit/api';

import type { ServiceTarget } from './backend-target.ts';
import { compileBackends } from './compile-route.ts';
import type { Problems } from './problems.ts';
import { type ForwardAction, plainForward } from './route.ts';
import { compileServerNames, type ServerNamePattern } from './server-name.ts';

export interface CompiledTcpRoute {
  readonly name: string;
  /** Empty: all connections. */
  readonly serverNames: readonly ServerNamePattern[];
  readonly action: ForwardAction;
}

export function compileTcpRoute(message: messages.TcpRoute, place: string, problems: Problems): CompiledTcpRoute {
  return {
    name: message.name === '' ? 'default' : message.name,
    serverNames: compileServerNames(message.serverNames),
    action: compileBackends(message.backends, place, problems),
  };
}

/** Everything to one backend. */
export function plainTcpRoute(backend: ServiceTarget): CompiledTcpRoute {
  return { name: 'default', serverNames: [], action: plainForward(backend) };
}
