/**
 * TLS client credentials with exactly the rules of the mesh: TLS 1.2 or newer, ALPN h2, the server checked against the
 * given roots only, its name against the address' host or one alternative name.
 *
 * grpc-js' own credentials send an IP address as SNI (forbidden by RFC 6066) and can replace the name, not add one.
 */
import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  type SecureContext,
  checkServerIdentity,
  connect,
  createSecureContext,
} from 'node:tls';
import { CallCredentials, ChannelCredentials } from '@grpc/grpc-js';
import type { ClientCertificate } from './grpc-client.ts';

/** What {@link TlsChannelCredentials} needs. */
export interface TlsChannelOptions {
  /** PEM trust anchors. */
  readonly roots: string | string[];
  /** Name (or IP address) the server's certificate must be valid for. */
  readonly host: string;
  /** A second acceptable name; SNI stays `host`. Istio: ALT_XDS_HOSTNAME, ALT_CA_HOSTNAME. */
  readonly altHostname?: string;
  /** Own certificate and key, for callers that authenticate with one. */
  readonly clientCertificate?: ClientCertificate;
}

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;

/** Channel credentials for one server name; immutable, so a changed root means a new channel. */
export class TlsChannelCredentials extends ChannelCredentials {
  readonly #context: SecureContext;
  readonly #host: string;
  readonly #altHostname: string | undefined;

  constructor(options: TlsChannelOptions) {
    super();
    this.#context = createSecureContext({
      ca: options.roots,
      minVersion: 'TLSv1.2',
      ...(options.clientCertificate === undefined
        ? {}
        : { cert: options.clientCertificate.certificateChainPem, key: options.clientCertificate.privateKeyPem }),
    });
    this.#host = options.host;
    this.#altHostname = options.altHostname;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(...args: Parameters<ChannelCredentials['_createSecureConnector']>): SecureConnector {
    const callCredentials = args[2] ?? CallCredentials.createEmpty();
    return {
      connect: async (socket) => ({ socket: await this.#handshake(socket), secure: true }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials,
      destroy: () => undefined,
    };
  }

  #handshake(socket: Socket): Promise<Socket> {
    const options: ConnectionOptions = {
      socket,
      host: this.#host,
      secureContext: this.#context,
      ALPNProtocols: ['h2'],
      ...(isIP(this.#host) === 0 ? { servername: this.#host } : {}),
      checkServerIdentity: (_name, certificate) => {
        const error = checkServerIdentity(this.#host, certificate);
        if (error === undefined || this.#altHostname === undefined) return error;
        return checkServerIdentity(this.#altHostname, certificate);
      },
    };
    return new Promise((resolve, reject) => {
      const secured = connect(options);
      const failed = (error: Error): void => reject(error);
      const closed = (): void => reject(new Error('connection closed during the TLS handshake'));
      secured.once('error', failed);
      secured.once('close', closed);
      secured.once('secureConnect', () => {
        secured.off('close', closed);
        // The error listener stays until the channel installs its own: an early reset must not be unhandled.
        resolve(secured);
      });
    });
  }
}
