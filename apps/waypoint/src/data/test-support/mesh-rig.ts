/**
 * Clients, node proxies and backends around a waypoint, in this process, everything on loopback.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { type BridgeResult, HbonePool, HboneServer, type HboneServerHandler, type InboundStream } from '@ambit/hbone';
import { EPOLLOUT, type EventLoop, io, type TlsContext } from '@ambit/net';
import { listenOnLoopback, LoopRig, makeTestCa, type TestCa, type TestCertificate } from '@ambit/testing';

export const clientId = 'spiffe://cluster.local/ns/shop/sa/client';
export const waypointId = 'spiffe://cluster.local/ns/shop/sa/waypoint';

/** The node proxy of endpoints: takes tunnels for any identity that it is given, and dials the authority on loopback. */
export class EndpointNode implements HboneServerHandler {
  readonly requests: InboundStream[] = [];
  readonly results: BridgeResult[] = [];
  readonly peers: (readonly string[])[] = [];
  readonly #loop: EventLoop;

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  onPeer(connection: { readonly peerUriSans: readonly string[] }): boolean {
    this.peers.push(connection.peerUriSans);
    return true;
  }

  onConnect(stream: InboundStream): void {
    this.requests.push(stream);
    const fd = io.tcpConnect({ address: '127.0.0.1', port: Number(stream.authority.split(':')[1]) });
    this.#loop.add(fd, EPOLLOUT, {
      onEvents: () => {
        this.#loop.remove(fd);
        if (io.socketError(fd) !== 0) {
          io.close(fd);
          return stream.respond(503);
        }
        stream.respond(200);
        stream.bridge(fd, { onClose: (result) => this.results.push(result) });
      },
    });
  }

  onClosed(): void {
    // Told by the bridges.
  }

  onHandshakeFailed(): void {
    // Told by the waypoint.
  }
}

export class MeshRig extends LoopRig {
  readonly ca: TestCa = makeTestCa();
  readonly node: EndpointNode = new EndpointNode(this.loop);
  /** Where endpoints take HBONE. */
  readonly nodePort: number;
  /** The last one of each identity. */
  readonly #issued = new Map<string, TestCertificate>();

  constructor(nodePort: number) {
    super(1);
    this.nodePort = nodePort;
  }

  /** The certificate that an entry or a node proves itself with. */
  certificateOf(identity: string): TestCertificate {
    const found = this.#issued.get(identity);
    assert.ok(found !== undefined, `nobody is ${identity}`);
    return found;
  }

  /** Turns both loops so often: what is under way between them has arrived then. */
  async turns(count: number): Promise<void> {
    let left = count;
    await this.until(() => left-- === 0, 'turns');
  }

  /** An HTTP/1.1 server; its port. */
  async backend(
    handler: http.RequestListener,
    listenAddress = '127.0.0.1',
  ): Promise<http.Server & { readonly port: number }> {
    const server = http.createServer(handler);
    this.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    return Object.assign(server, { port: await listenOnLoopback(server, listenAddress) });
  }

  /** Takes tunnels as the node proxy of an endpoint of that identity. */
  serveNode(identity: string): void {
    const server = new HboneServer({ loop: this.loop });
    const tls = io.tlsContext(this.#issue(identity));
    this.listen((fd) => server.accept(fd, tls, this.node), this.nodePort);
    this.defer(() => server.close());
  }

  /**
   * A way into the mesh for programs of Node: what connects to the returned port comes to the waypoint as a tunnel for
   * `authority`, as from the pod of a client.
   */
  entryTo(port: number, authority: string, identity: string = clientId, failures: string[] = []): number {
    return this.entryToAny(() => port, authority, identity, failures);
  }

  /** As `entryTo`; the waypoint is chosen for each connection. `onChange`: a connection to that port began, or ended. */
  entryToAny(
    choose: () => number,
    authority: string,
    identity: string = clientId,
    failures: string[] = [],
    onChange: (port: number, by: 1 | -1) => void = () => {},
  ): number {
    const pool = new HbonePool({ loop: this.loop });
    this.defer(() => pool.close());
    const tls: TlsContext = io.tlsContext(this.#issue(identity));
    const address = '127.0.0.1';
    return this.listen((fd) => {
      const port = choose();
      const key = {
        sourceIdentity: identity,
        destinationIdentities: [waypointId],
        address,
        port,
        sourceAddress: address,
      };
      const plan = { address, port, tls, verifyPeer: (names: readonly string[]) => names.includes(waypointId) };
      pool.connect(
        key,
        plan,
        { authority, headers: [] },
        {
          onConnected: (stream) => {
            onChange(port, 1);
            stream.bridge(fd, { onClose: () => onChange(port, -1) });
          },
          onError: (error) => {
            failures.push(error.message);
            io.close(fd);
          },
        },
      );
    });
  }

  /** One request of Node's client through an entry; status, headers, body. */
  async fetch(
    port: number,
    path: string,
    options: http.RequestOptions & { readonly body?: string } = {},
  ): Promise<Fetched> {
    const { body, ...rest } = options;
    const request = http.request({ host: '127.0.0.1', port, path, agent: false, ...rest });
    request.end(body);
    const { promise, resolve, reject } = Promise.withResolvers<Fetched>();
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    try {
      return await this.result(promise, `${path} through ${port}`);
    } catch (cause) {
      throw new Error(`${path} through ${port}: ${String(cause)}`, { cause });
    }
  }

  #issue(identity: string): TestCertificate {
    const certificate = this.ca.issue(identity);
    this.#issued.set(identity, certificate);
    return certificate;
  }
}

export interface Fetched {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}
