/**
 * Stands in for an API server: serves streaming lists and watches of what it is given over HTTPS, and vouches for tokens.
 * It stores and checks nothing, so that its own work is small beside the control plane's; writes are accepted and forgotten.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { AmbitError } from '@ambit/runtime';
import type { PlainObject } from '@ambit/kube';
import { makeTestCa } from '@ambit/testing';
import type { BenchCluster } from './cluster.ts';
import {
  type MeshSize,
  namespaceNames,
  namespaceObject,
  nodeName,
  nodeObject,
  podParts,
  policyObject,
  proxyName,
  proxyParts,
  serviceObject,
  SYSTEM_NAMESPACE,
} from './mesh-objects.ts';

interface Stored {
  readonly object: PlainObject;
  readonly text: string;
}

/** Objects of one kind with those who watch them. */
class Collection {
  readonly apiVersion: string;
  readonly kind: string;
  readonly objects = new Map<string, Stored>();
  readonly watchers = new Set<ServerResponse>();

  constructor(apiVersion: string, kind: string) {
    this.apiVersion = apiVersion;
    this.kind = kind;
  }
}

/** What the API server adds to objects that were applied once. */
const MANAGED = [
  {
    manager: 'kubectl-client-side-apply',
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-01-01T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: {
      'f:metadata': { 'f:annotations': { '.': {} }, 'f:labels': { '.': {}, 'f:app': {}, 'f:version': {} } },
      'f:spec': { 'f:containers': { 'k:{"name":"main"}': { '.': {}, 'f:image': {}, 'f:name': {}, 'f:ports': {} } } },
    },
  },
];

export class StandInCluster implements BenchCluster {
  readonly kind = 'stand-in' as const;
  readonly kubeconfig: string;
  readonly #size: MeshSize;
  readonly #folder: string;
  readonly #server: Server;
  readonly #collections = new Map<string, Collection>([
    ['/api/v1/namespaces', new Collection('v1', 'Namespace')],
    ['/api/v1/nodes', new Collection('v1', 'Node')],
    ['/api/v1/pods', new Collection('v1', 'Pod')],
    ['/api/v1/services', new Collection('v1', 'Service')],
    ['/apis/discovery.k8s.io/v1/endpointslices', new Collection('discovery.k8s.io/v1', 'EndpointSlice')],
    ['/apis/security.istio.io/v1/authorizationpolicies', new Collection('security.istio.io/v1', 'AuthorizationPolicy')],
  ]);
  #version = 1000;

  private constructor(size: MeshSize, server: Server, port: number, rootsPem: string) {
    this.#size = size;
    this.#server = server;
    this.#folder = mkdtempSync(join(tmpdir(), 'ambit-bench-'));
    this.kubeconfig = join(this.#folder, 'kubeconfig');
    const roots = Buffer.from(rootsPem).toString('base64');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'bench',
      clusters: [
        { name: 'bench', cluster: { server: `https://localhost:${port}`, 'certificate-authority-data': roots } },
      ],
      users: [{ name: 'bench', user: { token: 'bench' } }],
      contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
    };
    writeFileSync(this.kubeconfig, JSON.stringify(config));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response));
  }

  static async start(size: MeshSize): Promise<StandInCluster> {
    const ca = makeTestCa();
    const leaf = ca.issue(undefined, { dnsNames: ['localhost'] });
    const server = createServer({ cert: leaf.certificateChainPem, key: leaf.privateKeyPem });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new AmbitError('NO_PORT', 'no port to listen on');
    return new StandInCluster(size, server, address.port, ca.rootsPem);
  }

  loadNodes(): Promise<void> {
    for (const name of namespaceNames()) this.#put('/api/v1/namespaces', namespaceObject(name));
    for (let i = 0; i < this.#size.nodes; i += 1) {
      this.#put('/api/v1/nodes', nodeObject(i));
      this.#putPod(proxyParts(i));
    }
    return Promise.resolve();
  }

  loadRest(): Promise<void> {
    const { pods, services, policies, nodes } = this.#size;
    for (let i = 0; i < services; i += 1) this.#put('/api/v1/services', serviceObject(i));
    for (let i = 0; i < policies; i += 1) {
      this.#put('/apis/security.istio.io/v1/authorizationpolicies', policyObject(this.#size, i));
    }
    for (let i = 0; i < pods - nodes; i += 1) this.#putPod(podParts(this.#size, i, 'v1'));
    return Promise.resolve();
  }

  /** A token says which node's proxy it belongs to; nothing is signed. */
  tokens(): Promise<readonly string[]> {
    const claims = Buffer.from(JSON.stringify({ exp: Math.floor(Date.now() / 1000) + 86_400 })).toString('base64url');
    return Promise.resolve(Array.from({ length: this.#size.nodes }, (_, i) => `node-${i}.${claims}.bench`));
  }

  mark(index: number, mark: string): Promise<void> {
    this.#putPod(podParts(this.#size, index, mark));
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await this.#server[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #putPod({ object, status }: { readonly object: PlainObject; readonly status: PlainObject }): void {
    this.#put('/api/v1/pods', { ...object, status });
  }

  #put(path: string, object: PlainObject): void {
    const collection = this.#collections.get(path);
    const metadata: unknown = object['metadata'];
    if (collection === undefined || typeof metadata !== 'object' || metadata === null) return;
    const key = `${String(Reflect.get(metadata, 'namespace') ?? '')}/${String(Reflect.get(metadata, 'name'))}`;
    const isKnown = collection.objects.has(key);
    this.#version += 1;
    const whole = {
      ...object,
      metadata: {
        ...metadata,
        uid: `uid-${path.slice(-4)}-${key}`,
        resourceVersion: String(this.#version),
        creationTimestamp: '2026-01-01T00:00:00Z',
        managedFields: MANAGED,
      },
    };
    const text = JSON.stringify(whole);
    collection.objects.set(key, { object: whole, text });
    if (collection.watchers.size === 0) return;
    const line = `{"type":"${isKnown ? 'MODIFIED' : 'ADDED'}","object":${text}}\n`;
    for (const watcher of collection.watchers) watcher.write(line);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://bench');
    const collection = this.#collections.get(url.pathname);
    if (request.method === 'GET' && collection !== undefined && url.searchParams.get('watch') === 'true') {
      void this.#watch(collection, url.searchParams.get('sendInitialEvents') === 'true', response);
    } else if (request.method === 'POST' && url.pathname.endsWith('/tokenreviews'))
      void this.#review(request, response);
    else if (request.method === 'GET') send(response, 404, { kind: 'Status', apiVersion: 'v1', code: 404 });
    else {
      request.resume();
      send(response, 200, { kind: 'Status', apiVersion: 'v1' });
    }
  }

  async #watch(collection: Collection, withList: boolean, response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const version = String(this.#version);
    let chunk = '';
    for (const { text } of withList ? collection.objects.values() : []) {
      chunk += `{"type":"ADDED","object":${text}}\n`;
      if (chunk.length < 256 * 1024) continue;
      if (!response.write(chunk)) await once(response, 'drain');
      chunk = '';
    }
    const annotations = withList ? { 'k8s.io/initial-events-end': 'true' } : {};
    const metadata = { resourceVersion: version, annotations };
    const { apiVersion, kind } = collection;
    const bookmark = { type: 'BOOKMARK', object: { apiVersion, kind, metadata } };
    response.write(`${chunk}${JSON.stringify(bookmark)}\n`);
    collection.watchers.add(response);
    response.on('close', () => collection.watchers.delete(response));
  }

  async #review(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const [, node = ''] = /"token":"node-(\d+)\./.exec(body) ?? [];
    const name = proxyName(Number(node));
    const prefix = 'authentication.kubernetes.io';
    const extra = {
      [`${prefix}/pod-name`]: [name],
      [`${prefix}/pod-uid`]: [`uid-pods-${SYSTEM_NAMESPACE}/${name}`],
      [`${prefix}/node-name`]: [nodeName(Number(node))],
    };
    const user = {
      username: `system:serviceaccount:${SYSTEM_NAMESPACE}:ztunnel`,
      groups: ['system:serviceaccounts'],
      extra,
    };
    send(response, 201, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      status: { authenticated: node !== '', audiences: ['istio-ca'], user },
    });
  }
}

function send(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
