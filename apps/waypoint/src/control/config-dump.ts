/** What the process knows and does at the moment, as JSON. Keys and secrets of certificates are never in it. */
import { proxy as messages } from '@ambit/api';
import type { CertificateStatus } from '@ambit/identity';
import { fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import type { WorkerDescription } from '../worker-protocol.ts';
import type { ProxyState } from './proxy-state.ts';

export interface DumpSources {
  readonly state: Pick<ProxyState, 'resources'>;
  readonly certificates: readonly CertificateStatus[];
  readonly workloads: number;
  readonly services: number;
  readonly workers: readonly WorkerDescription[];
  readonly version: string;
}

/** Resources as the control plane sent them. */
export function configDump(sources: DumpSources): string {
  const { proxy, destinations, servers } = sources.state.resources();
  const dump = {
    version: sources.version,
    proxy:
      proxy === undefined
        ? null
        : toJson(messages.ProxySchema, withoutProxyKeys(fromBinary(messages.ProxySchema, proxy))),
    destinations: entries(destinations, (bytes) =>
      toJson(messages.DestinationSchema, withoutKeys(fromBinary(messages.DestinationSchema, bytes))),
    ),
    servers: entries(servers, (bytes) =>
      toJson(messages.ServerSchema, withoutServerKeys(fromBinary(messages.ServerSchema, bytes))),
    ),
    mesh: { workloads: sources.workloads, services: sources.services },
    certificates: sources.certificates.map(({ identity, state, certificate }) => ({
      identity,
      state,
      serialNumber: certificate?.serialNumber ?? null,
      notAfter: certificate === undefined ? null : new Date(certificate.notAfterMs).toISOString(),
    })),
    workers: sources.workers,
  };
  return `${JSON.stringify(dump, undefined, 2)}\n`;
}

function entries(
  resources: ReadonlyMap<string, Uint8Array>,
  dump: (bytes: Uint8Array) => JsonValue,
): Readonly<Record<string, JsonValue>> {
  const names = [...resources.keys()].toSorted();
  return Object.fromEntries(names.map((name) => [name, dump(resources.get(name) ?? new Uint8Array())]));
}

const hidden: Uint8Array = Buffer.from('<hidden>');

function withoutKeys(destination: messages.Destination): messages.Destination {
  const ofSubsets = destination.subsets.flatMap((subset) => [subset, ...subset.portTraffic]);
  for (const { traffic } of [...destination.ports, ...ofSubsets]) {
    if (traffic?.tls !== undefined && traffic.tls.clientPrivateKeyPem.length > 0)
      traffic.tls.clientPrivateKeyPem = hidden;
  }
  hideHeaders(destination.telemetry);
  return destination;
}

function withoutProxyKeys(proxy: messages.Proxy): messages.Proxy {
  hideHeaders(proxy.telemetry);
  return proxy;
}

/** Collectors are given their tokens in headers. */
function hideHeaders(telemetry: messages.Telemetry | undefined): void {
  if (telemetry === undefined) return;
  const { tracing, accessLog, furtherAccessLogs } = telemetry;
  for (const told of [tracing, accessLog, ...furtherAccessLogs]) {
    const headers = told?.collector?.headers ?? {};
    for (const name of Object.keys(headers)) headers[name] = '<hidden>';
  }
}

function withoutServerKeys(server: messages.Server): messages.Server {
  for (const { tls } of server.listeners) for (const pair of tls?.keyPairs ?? []) pair.privateKeyPem = hidden;
  return server;
}
