/** Which route a request takes. The configuration is in order: the first that matches. Spec: contract l7 1.1, 1.5. */
import { splitAuthority } from '@ambit/routing';

import type { Access } from '../config/access.ts';
import type { ConfigSnapshot } from '../config/config-snapshot.ts';
import type { CompiledRoute, FoundRoute } from '../config/route.ts';
import type { RouteTable } from '../config/route-table.ts';
import { nameSpecificity } from '../config/server-name.ts';
import { type CompiledListener, type CompiledServer, findListener, findVirtualHost } from '../config/server.ts';
import { coversHost } from '../config/wildcard-host.ts';
import type { ServedTarget } from './downstream-facts.ts';
import { type LocalReply, misdirectedRequest, redirectReply, routeNotFound } from './local-reply.ts';
import type { RequestView } from './request-view.ts';

export type RouteFinding =
  | ({ readonly kind: 'found' } & FoundRoute)
  | { readonly kind: 'answer'; readonly reply: LocalReply };

/** What decides about requests to the target; undefined if the proxy does not serve it (any more). */
export function accessOf(snapshot: ConfigSnapshot, served: ServedTarget): Access | undefined {
  if (served.kind !== 'service') return snapshot.access;
  const known = snapshot.destinations.get(served.key);
  return known?.destination.isServed === true ? known.access : undefined;
}

/** `workloadRoute`: for a target that is a workload. */
export function findRoute(
  snapshot: ConfigSnapshot,
  served: ServedTarget,
  view: RequestView,
  workloadRoute: CompiledRoute | undefined,
): RouteFinding {
  switch (served.kind) {
    case 'workload':
      return workloadRoute === undefined ? answer(routeNotFound) : found(workloadRoute);
    case 'service': {
      // A wildcard service is a way out to the hosts that it covers, and to no other.
      if (served.hostname.startsWith('*') && !coversHost(served.hostname, hostOf(view))) return answer(routeNotFound);
      const port = snapshot.destinations.get(served.key)?.destination.ports.get(served.port);
      return port === undefined ? answer(routeNotFound) : firstMatch(port.routes, view);
    }
    case 'server': {
      const server = snapshot.servers.get(served.port);
      return server === undefined ? answer(routeNotFound) : findServerRoute(server, served.listener, view);
    }
  }
}

function findServerRoute(server: CompiledServer, tlsListener: string | undefined, view: RequestView): RouteFinding {
  const { host } = splitAuthority(view.authority);
  const lowerHost = host.toLowerCase();
  const best = findListener(server, lowerHost);
  const listener = tlsListener === undefined ? best : listenerOfTls(server, tlsListener, best, lowerHost);
  if (listener === 'misdirected') return answer(misdirectedRequest);
  if (listener === undefined) return answer(routeNotFound);
  if (listener.redirectsToHttps) {
    return answer(redirectReply(301, `https://${host}${view.path}${view.query}`));
  }
  const virtualHost = findVirtualHost(listener, lowerHost);
  return virtualHost === undefined ? answer(routeNotFound) : firstMatch(virtualHost.routes, view);
}

/**
 * With TLS the server name chose the listener. A Host that another listener names more narrowly belongs there, perhaps behind
 * other certificates and client checks: 421 sends the client to a connection of its own.
 */
function listenerOfTls(
  server: CompiledServer,
  name: string,
  best: CompiledListener | undefined,
  lowerHost: string,
): CompiledListener | 'misdirected' | undefined {
  const chosen = server.listeners.find((listener) => listener.name === name);
  if (chosen === undefined || best === undefined || best === chosen) return chosen;
  const specificity = nameSpecificity(chosen.hostname, lowerHost);
  const bestSpecificity = nameSpecificity(best.hostname, lowerHost) ?? -1;
  return specificity !== undefined && specificity >= bestSpecificity ? chosen : 'misdirected';
}

function firstMatch(routes: RouteTable, view: RequestView): RouteFinding {
  const match = routes.find(view);
  return match === undefined ? answer(routeNotFound) : { kind: 'found', ...match };
}

function hostOf({ authority }: RequestView): string {
  return splitAuthority(authority).host.toLowerCase();
}

function found(route: CompiledRoute): RouteFinding {
  return { kind: 'found', route, matched: undefined };
}

function answer(reply: LocalReply): RouteFinding {
  return { kind: 'answer', reply };
}
