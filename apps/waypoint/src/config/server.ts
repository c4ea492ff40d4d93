/** A port on which a gateway listens. Compiled from ambit.v1.Server. */
import { proxy as messages } from '@ambit/api';
import { fromBinary } from '@bufbuild/protobuf';

import { compileRoute } from './compile-route.ts';
import { type Compiled, Problems } from './problems.ts';
import { RouteTable } from './route-table.ts';
import { mostSpecific, serverNamePattern, type ServerNamePattern } from './server-name.ts';
import { type CompiledTcpRoute, compileTcpRoute } from './tcp-route.ts';

const { ServerListener_ServerProtocol: Protocol, ServerTls_ClientCertificate: ClientCertificate } = messages;

export type ListenerProtocol = 'http' | 'https' | 'tls-passthrough' | 'tls-terminate' | 'tcp';

/** How a listener ends TLS. Keys are never logged nor dumped. */
export interface ListenerTls {
  readonly keyPairs: readonly { readonly chainPem: string; readonly keyPem: string }[];
  readonly clientCertificate: 'not-asked' | 'required' | 'optional';
  /** Empty only where no certificate is asked for: nobody else's roots stand in for them. */
  readonly clientRootsPem: string;
  /** Revocation lists for client certificates, beside those of the mesh. */
  readonly clientRevocationsPem: string;
  /** Of TLS 1.2; empty: all that are offered. */
  readonly cipherSuites: readonly string[];
  readonly minVersion: '1.2' | '1.3';
}

/** Routes of one host name. */
export interface VirtualHost {
  readonly name: ServerNamePattern;
  readonly routes: RouteTable;
}

export interface CompiledListener {
  readonly name: string;
  readonly protocol: ListenerProtocol;
  readonly hostname: ServerNamePattern;
  readonly tls: ListenerTls | undefined;
  readonly hosts: readonly VirtualHost[];
  readonly tcpRoutes: readonly CompiledTcpRoute[];
  readonly redirectsToHttps: boolean;
}

export interface CompiledServer {
  readonly port: number;
  readonly listeners: readonly CompiledListener[];
}

/** Reads the bytes of a resource; what is not this message is a problem, not an error. */
export function compileServer(bytes: Uint8Array): Compiled<CompiledServer> {
  const problems = new Problems();
  const message = problems.decode(() => fromBinary(messages.ServerSchema, bytes));
  if (message === undefined) return problems.refusal();
  const { port } = message;
  if (port < 1 || port > 65_535) problems.bad('server', `${port} is no port number`);
  return problems.result({ port, listeners: message.listeners.map((one) => compileListener(one, problems)) });
}

/** The listener for a server name or Host of a port: the most specific that matches. */
export function findListener(server: CompiledServer, lowerHost: string): CompiledListener | undefined {
  return mostSpecific(server.listeners, hostnameOf, lowerHost);
}

/** The most specific virtual host; a less specific one is not tried when its routes do not match. */
export function findVirtualHost(listener: CompiledListener, lowerHost: string): VirtualHost | undefined {
  return mostSpecific(listener.hosts, nameOf, lowerHost);
}

function hostnameOf(listener: CompiledListener): ServerNamePattern {
  return listener.hostname;
}

function nameOf(host: VirtualHost): ServerNamePattern {
  return host.name;
}

function compileListener(message: messages.ServerListener, problems: Problems): CompiledListener {
  const { name } = message;
  const place = `listener ${name}`;
  const protocol = protocolOf(message.protocol, place, problems);
  const tls = message.tls === undefined ? undefined : compileTls(message.tls, place, problems);
  if ((protocol === 'https' || protocol === 'tls-terminate') && tls === undefined) {
    problems.bad(place, 'TLS is to be ended here, but there is no certificate');
  }
  return {
    name,
    protocol,
    hostname: serverNamePattern(message.hostname),
    tls,
    hosts: message.hosts.map(({ hostname, routes }) => ({
      name: serverNamePattern(hostname),
      routes: new RouteTable(routes.map((route) => compileRoute(route, `${place} route ${route.name}`, problems))),
    })),
    tcpRoutes: message.tcpRoutes.map((route) => compileTcpRoute(route, `${place} route ${route.name}`, problems)),
    redirectsToHttps: message.redirectToHttps,
  };
}

function protocolOf(
  protocol: messages.ServerListener_ServerProtocol,
  place: string,
  problems: Problems,
): ListenerProtocol {
  switch (protocol) {
    case Protocol.SERVER_HTTP:
      return 'http';
    case Protocol.SERVER_HTTPS:
      return 'https';
    case Protocol.SERVER_TLS_PASSTHROUGH:
      return 'tls-passthrough';
    case Protocol.SERVER_TLS_TERMINATE:
      return 'tls-terminate';
    case Protocol.SERVER_TCP:
      return 'tcp';
    default:
      problems.bad(place, `unknown protocol ${String(protocol)}`);
      return 'tcp';
  }
}

function compileTls(message: messages.ServerTls, place: string, problems: Problems): ListenerTls {
  const { minVersion } = message;
  if (!['', '1.2', '1.3'].includes(minVersion))
    problems.bad(place, `${minVersion} is no version of TLS that is offered`);
  if (message.keyPairs.length === 0) problems.bad(place, 'no certificate');
  const clientCertificate = clientCertificateOf(message.clientCertificate, place, problems);
  if (clientCertificate !== 'not-asked' && message.clientRootsPem.length === 0)
    problems.bad(place, 'no roots for client certificates');
  return {
    keyPairs: message.keyPairs.map(({ certificateChainPem, privateKeyPem }) => ({
      chainPem: pemText(certificateChainPem),
      keyPem: pemText(privateKeyPem),
    })),
    clientCertificate,
    clientRootsPem: pemText(message.clientRootsPem),
    clientRevocationsPem: pemText(message.clientRevocationsPem),
    cipherSuites: message.cipherSuites,
    minVersion: minVersion === '1.3' ? '1.3' : '1.2',
  };
}

function clientCertificateOf(
  value: messages.ServerTls_ClientCertificate,
  place: string,
  problems: Problems,
): ListenerTls['clientCertificate'] {
  switch (value) {
    case ClientCertificate.NOT_ASKED:
      return 'not-asked';
    case ClientCertificate.REQUIRED:
      return 'required';
    case ClientCertificate.OPTIONAL:
      return 'optional';
    default:
      problems.bad(place, `unknown treatment of client certificates ${String(value)}`);
      return 'required';
  }
}

function pemText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
