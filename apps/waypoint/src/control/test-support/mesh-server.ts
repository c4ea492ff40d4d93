/** What a waypoint talks to, in one process: a control plane whose resources are a test's to change, and a CA. */
import { createPrivateKey } from 'node:crypto';
import { auth } from '@ambit/api';
import { GrpcServer, methodDefinition, unaryHandler } from '@ambit/grpc';
import { CertificateSigner, decodePem, encodePem, parseCertificate, readCsr } from '@ambit/identity';
import type { TestCa } from '@ambit/testing';
import {
  ADDRESS_TYPE,
  createContentVersion,
  DeltaServer,
  DESTINATION_TYPE,
  PROXY_TYPE,
  ResourceStore,
  SERVER_TYPE,
} from '@ambit/xds';
import { create } from '@bufbuild/protobuf';
import { waypointId } from '../../data/test-support/mesh-rig.ts';

type Handler = ConstructorParameters<typeof GrpcServer>[0]['handlers'][number];

/** Signs what it is asked for, if that is the waypoint's identity. */
export function caHandler(ca: TestCa): Handler {
  const [der = new Uint8Array()] = decodePem('CERTIFICATE', ca.signingCertificatePem, 1);
  const signer = new CertificateSigner(parseCertificate(der), createPrivateKey(ca.signingKeyPem));
  const method = methodDefinition(auth.IstioCertificateService.method.createCertificate);
  return unaryHandler(method, async (request) => {
    const csr = readCsr(request.csr);
    const { der: leaf } = signer.issueLeaf({
      publicKeyInfo: csr.publicKeyInfo,
      altNames: { uris: [waypointId] },
      notBeforeMs: Math.floor(Date.now() / 1000 - 60) * 1000,
      notAfterMs: Math.floor(Date.now() / 1000 + 3600) * 1000,
    });
    return create(auth.IstioCertificateResponseSchema, {
      certChain: [encodePem('CERTIFICATE', leaf), ca.rootsPem],
    });
  });
}

/** A control plane and its CA on one port of loopback. */
export class MeshServer implements AsyncDisposable {
  readonly store: ResourceStore;
  /** Type and reason of every NACK. */
  readonly refusals: string[] = [];
  readonly #deltas: DeltaServer;
  readonly #server: GrpcServer;

  private constructor(store: ResourceStore, ca: TestCa) {
    this.store = store;
    this.#deltas = new DeltaServer({
      store,
      authenticate: () => ({ identities: [] }),
      observer: { onNack: (_node, typeUrl, _nonce, message) => void this.refusals.push(`${typeUrl} ${message}`) },
    });
    this.#server = new GrpcServer({ handlers: [this.#deltas.handler(), caHandler(ca)] });
  }

  static async open(ca: TestCa, port: number): Promise<MeshServer> {
    const version = await createContentVersion();
    const types = [ADDRESS_TYPE, DESTINATION_TYPE, SERVER_TYPE, PROXY_TYPE];
    const store = new ResourceStore(types.map((typeUrl) => ({ typeUrl, version, removals: 'last' as const })));
    const opened = new MeshServer(store, ca);
    await opened.#server.listen({ address: '127.0.0.1', port });
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#deltas[Symbol.dispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}
