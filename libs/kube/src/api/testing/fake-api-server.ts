/** A small API server in memory, on plaintext loopback: objects, versions, lists, watches, CRDs. For tests only. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isPlainObject, type PlainObject } from '../../object-reader.ts';
import type { ClusterAccess } from '../cluster-access.ts';
import { objectKey, versionOf } from '../watch-event.ts';

interface StoredEvent {
  readonly version: number;
  readonly collection: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: PlainObject;
}

interface OpenWatch {
  readonly collection: string;
  readonly namespace: string | undefined;
  readonly response: ServerResponse;
}

interface Target {
  /** `<group>/<plural>`. */
  readonly collection: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly query: URLSearchParams;
}

const PATH = /^\/(?:api|apis\/([^/]+))\/[^/]+(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?(?:\/status)?$/;

export class FakeApiServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #objects = new Map<string, Map<string, PlainObject>>();
  readonly #watches = new Set<OpenWatch>();
  #events: StoredEvent[] = [];
  #version = 10;
  #oldest = 10;
  /** Paths of requests, with query. */
  readonly requests: string[] = [];
  /** Collections that are not served. */
  readonly missing: Set<string> = new Set(['nothing.example/nothings']);
  allowsStreamingLists: boolean = true;
  pageLimit: number | undefined;
  /** Answers the next requests with this status. */
  failWith: number | undefined;
  port: number = 0;

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async listen(port = 0): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
  }

  access(): ClusterAccess {
    return { server: new URL(`http://127.0.0.1:${this.port}`), defaultNamespace: 'default' };
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** Forgets the history: whoever resumes has to list again. */
  compact(): void {
    this.#version += 1;
    this.#oldest = this.#version;
    this.#events = [];
  }

  /** Breaks all watches without a word. */
  breakWatches(): void {
    for (const watch of this.#watches) watch.response.destroy();
    this.#watches.clear();
  }

  /** Ends all watches as after their timeout. */
  endWatches(): void {
    for (const watch of this.#watches) watch.response.end();
    this.#watches.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close').catch(() => undefined);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) if (chunk instanceof Uint8Array) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    const url = new URL(request.url ?? '/', 'http://x');
    this.requests.push(`${request.method} ${request.url}`);
    if (this.failWith !== undefined) return status(response, this.failWith, 'InternalError', 'told to fail');
    const discovery = /^\/(?:api|apis\/([^/]+))\/[^/]+$/.exec(url.pathname);
    if (discovery !== null) return this.#discover(response, discovery[1] ?? '');
    const [, group = '', namespace, plural = '', name] = PATH.exec(url.pathname) ?? [];
    const collection = `${group}/${plural}`;
    if (plural === '' || this.missing.has(collection)) return status(response, 404, 'NotFound', 'no such kind');
    const target = { collection, namespace, name, query: url.searchParams };
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    if (request.method === 'GET' && url.searchParams.get('watch') === 'true') return this.#watch(response, target);
    if (request.method === 'GET') return this.#read(response, target);
    if (request.method === 'DELETE') return this.#delete(response, target);
    if (isPlainObject(body)) return this.#write(response, target, request.method ?? '', body);
    status(response, 400, 'BadRequest', 'no body');
  }

  #discover(response: ServerResponse, group: string): void {
    const known = [
      'authorizationpolicies',
      'peerauthentications',
      'serviceentries',
      'workloadentries',
      'pods',
      'services',
    ];
    const names = known.filter((name) => !this.missing.has(`${group}/${name}`));
    answer(response, 200, { kind: 'APIResourceList', resources: names.map((name) => ({ name })) });
  }

  #read(response: ServerResponse, { collection, namespace, name, query }: Target): void {
    const objects = this.#objects.get(collection) ?? new Map<string, PlainObject>();
    if (name !== undefined) {
      const found = objects.get(namespace === undefined ? name : `${namespace}/${name}`);
      if (found === undefined) status(response, 404, 'NotFound', `${name} not found`);
      else answer(response, 200, found);
      return;
    }
    const all = [...objects].filter(([key]) => namespace === undefined || key.startsWith(`${namespace}/`));
    const limit = this.pageLimit ?? Number(query.get('limit') ?? all.length);
    const start = Number(query.get('continue') ?? 0);
    const items = all.slice(start, start + limit).map(([, object]) => object);
    const next = start + limit < all.length ? { continue: String(start + limit) } : {};
    answer(response, 200, { metadata: { resourceVersion: String(this.#version), ...next }, items });
  }

  #watch(response: ServerResponse, { collection, namespace, query }: Target): void {
    const isList = query.get('sendInitialEvents') === 'true';
    if (isList && !this.allowsStreamingLists) {
      return status(response, 422, 'Invalid', 'sendInitialEvents is forbidden');
    }
    const from = Number(query.get('resourceVersion') ?? 0);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (!isList && from < this.#oldest) {
      const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    const watch: OpenWatch = { collection, namespace, response };
    if (isList) {
      for (const object of this.#objects.get(collection)?.values() ?? []) send(watch, 'ADDED', object);
      const metadata = {
        resourceVersion: String(this.#version),
        annotations: { 'k8s.io/initial-events-end': 'true' },
      };
      response.write(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata } })}\n`);
    } else {
      for (const event of this.#events) {
        if (event.version > from && event.collection === collection) send(watch, event.type, event.object);
      }
    }
    this.#watches.add(watch);
    const timeout = setTimeout(() => response.end(), Number(query.get('timeoutSeconds') ?? 300) * 1000);
    response.on('close', () => {
      clearTimeout(timeout);
      this.#watches.delete(watch);
    });
  }

  #write(response: ServerResponse, target: Target, method: string, body: PlainObject): void {
    const { collection, namespace } = target;
    const metadata = isPlainObject(body['metadata']) ? body['metadata'] : {};
    const name = target.name ?? String(metadata['name']);
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    const objects = this.#objects.get(collection) ?? new Map<string, PlainObject>();
    this.#objects.set(collection, objects);
    const before = objects.get(key);
    if (method === 'POST' && before !== undefined) return status(response, 409, 'AlreadyExists', `${name} exists`);
    if (method === 'PUT' && before === undefined) return status(response, 404, 'NotFound', `${name} not found`);
    const wanted = versionOf(body);
    if (method === 'PUT' && wanted !== '' && before !== undefined && wanted !== versionOf(before)) {
      return status(response, 409, 'Conflict', 'the object has been modified');
    }
    const merged = method === 'PATCH' && before !== undefined ? merge(before, body) : body;
    const place = namespace === undefined ? {} : { namespace };
    const mergedMetadata = isPlainObject(merged['metadata']) ? merged['metadata'] : {};
    this.#version += 1;
    const object = {
      ...merged,
      metadata: { ...mergedMetadata, ...place, name, resourceVersion: String(this.#version) },
    };
    objects.set(key, object);
    this.#happened(collection, before === undefined ? 'ADDED' : 'MODIFIED', object);
    answer(response, method === 'POST' ? 201 : 200, object);
  }

  #delete(response: ServerResponse, { collection, namespace, name = '' }: Target): void {
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    const before = this.#objects.get(collection)?.get(key);
    if (before === undefined) return status(response, 404, 'NotFound', `${name} not found`);
    this.#objects.get(collection)?.delete(key);
    this.#version += 1;
    const metadata = isPlainObject(before['metadata']) ? before['metadata'] : {};
    const object = { ...before, metadata: { ...metadata, resourceVersion: String(this.#version) } };
    this.#happened(collection, 'DELETED', object);
    answer(response, 200, { kind: 'Status', status: 'Success' });
  }

  #happened(collection: string, type: StoredEvent['type'], object: PlainObject): void {
    this.#events.push({ version: this.#version, collection, type, object });
    for (const watch of this.#watches) if (watch.collection === collection) send(watch, type, object);
  }
}

function send(watch: OpenWatch, type: string, object: PlainObject): void {
  if (watch.namespace !== undefined && !(objectKey(object) ?? '').startsWith(`${watch.namespace}/`)) return;
  watch.response.write(`${JSON.stringify({ type, object })}\n`);
}

function merge(base: PlainObject, patch: PlainObject): PlainObject {
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(patch)) {
    const before = merged.get(key);
    if (value === null) merged.delete(key);
    else merged.set(key, isPlainObject(value) && isPlainObject(before) ? merge(before, value) : value);
  }
  return Object.fromEntries(merged);
}

function answer(response: ServerResponse, code: number, body: PlainObject): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function status(response: ServerResponse, code: number, reason: string, message: string): void {
  answer(response, code, { kind: 'Status', status: 'Failure', code, reason, message });
}
