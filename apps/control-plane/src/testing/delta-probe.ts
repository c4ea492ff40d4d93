/** A delta stream that writes down what it is told, in order, and acknowledges it. For tests only. */
import { discovery } from '@ambit/api';
import { GrpcChannel } from '@ambit/grpc';
import { deltaMethod, encodeRequest, type RequestFields } from '@ambit/xds';
import { fromBinary } from '@bufbuild/protobuf';

export interface DeltaProbeOptions {
  /** Of loopback. */
  readonly port: number;
  readonly rootsPem: string;
  readonly token: string;
  /** Second name that the server may prove. */
  readonly altHostname?: string;
}

export class DeltaProbe implements Disposable {
  readonly responses: discovery.DeltaDiscoveryResponse[] = [];
  /** Set when the stream has ended; empty when it ended well. */
  error: { readonly code?: number; readonly details?: string } | undefined;
  readonly #channel: GrpcChannel;
  readonly #stream;

  constructor({ port, rootsPem, token, altHostname }: DeltaProbeOptions) {
    this.#channel = new GrpcChannel({
      address: `https://127.0.0.1:${port}`,
      roots: { kind: 'inline', pem: rootsPem },
      token: { kind: 'literal', token },
      clusterId: 'Kubernetes',
      ...(altHostname === undefined ? {} : { altHostname }),
    });
    this.#stream = this.#channel.bidi(deltaMethod());
    this.#stream.on('data', (bytes: Uint8Array) => {
      const response = fromBinary(discovery.DeltaDiscoveryResponseSchema, bytes);
      this.responses.push(response);
      const { typeUrl, nonce } = response;
      this.send({ typeUrl, nonce, ...this.objection(response) });
      this.onNews();
    });
    this.#stream.on('error', (error: { code?: number; details?: string }) => {
      this.error = error;
      this.onNews();
    });
    this.#stream.on('end', () => {
      this.error ??= {};
      this.onNews();
    });
  }

  send(request: RequestFields): void {
    if (this.error === undefined) this.#stream.write(encodeRequest(request));
  }

  /** What to answer besides; an `error` refuses the response. */
  protected objection(_response: discovery.DeltaDiscoveryResponse): Pick<RequestFields, 'error'> {
    return {};
  }

  /** A response has come, or the end. */
  protected onNews(): void {}

  [Symbol.dispose](): void {
    this.#stream.on('error', () => undefined);
    this.#stream.cancel();
    this.#channel.close();
  }
}
