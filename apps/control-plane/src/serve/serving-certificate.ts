import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createSecureContext } from 'node:tls';
import { GrpcChannel, type ServerTlsMaterial, type TokenSource, type TrustRoots } from '@ambit/grpc';
import { CertificateManager, GrpcCaClient, type SpiffeId, type WorkloadCertificate } from '@ambit/identity';
import { AmbitError, type Clock, toAmbitError, watchDirectory } from '@ambit/runtime';

/** Where the certificate of the xDS port comes from. */
export type CertificateSource =
  | {
      readonly kind: 'files';
      readonly certificateFile: string;
      readonly privateKeyFile: string;
      /** Roots that client certificates are checked against; undefined: no client certificates. */
      readonly clientRootsFile: string | undefined;
    }
  | {
      readonly kind: 'ca';
      readonly address: string;
      readonly roots: TrustRoots;
      readonly token: TokenSource;
      readonly clusterId: string;
      readonly identity: SpiffeId;
      readonly ttlSec: number;
    };

export interface ServingCertificateOptions {
  readonly clock: Clock;
  /** Hears that new material could not be used; the old one stays. */
  readonly onError: (error: AmbitError) => void;
  readonly signal: AbortSignal;
}

/** What listeners present, and trust of clients if there are roots; it follows its source. Disposing stops following. */
export interface ServingCertificate extends Disposable {
  /** What is in force now. */
  readonly material: ServerTlsMaterial;
  /** Calls back with new material after it came into force. Disposing stops it. */
  onChange(handler: (material: ServerTlsMaterial) => void): Disposable;
}

/** Material that one source replaces and several listeners use. */
class HeldMaterial {
  #material: ServerTlsMaterial;
  readonly #handlers = new Set<(material: ServerTlsMaterial) => void>();

  constructor(material: ServerTlsMaterial) {
    check(material);
    this.#material = material;
  }

  /** Throws, changing nothing, when the parts do not fit together. */
  update(material: ServerTlsMaterial): void {
    check(material);
    this.#material = material;
    for (const handler of this.#handlers) handler(material);
  }

  certificate(stack: DisposableStack): ServingCertificate {
    const held = (): ServerTlsMaterial => this.#material;
    return {
      get material() {
        return held();
      },
      onChange: (handler) => {
        this.#handlers.add(handler);
        return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
      },
      [Symbol.dispose]: () => stack.dispose(),
    };
  }
}

/** Throws when the key is not that of the certificate, before any listener sees the pair. */
function check({ certificateChainPem: cert, privateKeyPem: key, clientRootsPem: ca }: ServerTlsMaterial): void {
  createSecureContext({ cert, key, ca: ca ?? [] });
}

/**
 * Waits until there is a certificate, then keeps it up to date: files are read again when their folders change, a CA is
 * asked again at half life. Established connections are not touched. Rejects when files cannot be used, or on abort.
 */
export async function openServingCertificate(
  source: CertificateSource,
  options: ServingCertificateOptions,
): Promise<ServingCertificate> {
  return source.kind === 'files' ? fromFiles(source, options) : fromCa(source, options);
}

function fromFiles(
  source: Extract<CertificateSource, { kind: 'files' }>,
  { onError }: ServingCertificateOptions,
): ServingCertificate {
  const held = new HeldMaterial(readMaterial(source));
  const files = [source.certificateFile, source.privateKeyFile, source.clientRootsFile].filter(
    (file) => file !== undefined,
  );
  const stack = new DisposableStack();
  for (const directory of new Set(files.map((file) => dirname(file)))) {
    const onChange = (): void => {
      try {
        held.update(readMaterial(source));
      } catch (error) {
        onError(toAmbitError(error));
      }
    };
    stack.use(watchDirectory(directory, { debounceMs: 200, onChange }));
  }
  return held.certificate(stack);
}

function readMaterial(source: Extract<CertificateSource, { kind: 'files' }>): ServerTlsMaterial {
  const { certificateFile, privateKeyFile, clientRootsFile } = source;
  return {
    certificateChainPem: readPem(certificateFile),
    privateKeyPem: readPem(privateKeyFile),
    ...(clientRootsFile === undefined ? {} : { clientRootsPem: readPem(clientRootsFile) }),
  };
}

function readPem(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AmbitError('SERVING_CERTIFICATE', `cannot read ${file}; the xDS port needs a certificate`, { cause });
  }
}

async function fromCa(
  source: Extract<CertificateSource, { kind: 'ca' }>,
  { clock, onError, signal }: ServingCertificateOptions,
): Promise<ServingCertificate> {
  const { address, roots, token, clusterId, identity, ttlSec } = source;
  const stack = new DisposableStack();
  const channel = stack.adopt(new GrpcChannel({ address, roots, token, clusterId }), (owned) => owned.close());
  const client = new GrpcCaClient({ channel, isImpersonating: false, ttlSec, clock });
  const manager = stack.use(new CertificateManager({ client, clock }));
  const first = await firstCertificate(manager, identity, onError, signal).catch((error: unknown) => {
    stack.dispose();
    throw error;
  });
  const held = new HeldMaterial(materialOf(first));
  stack.use(
    manager.subscribe((event) => {
      if (event.kind === 'unavailable' || event.kind === 'renewal-failed') onError(event.error);
      if (event.kind !== 'available') return;
      try {
        held.update(materialOf(event.certificate));
      } catch (error) {
        onError(toAmbitError(error));
      }
    }),
  );
  return held.certificate(stack);
}

/** The manager retries by itself; a CA that starts after the control plane is normal. */
function firstCertificate(
  manager: CertificateManager,
  identity: SpiffeId,
  onError: (error: AmbitError) => void,
  signal: AbortSignal,
): Promise<WorkloadCertificate> {
  const { promise, resolve, reject } = Promise.withResolvers<WorkloadCertificate>();
  const subscription = manager.subscribe((event) => {
    if (event.kind === 'available') resolve(event.certificate);
    else if (event.kind === 'unavailable') onError(event.error);
  });
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  manager.prefetch(identity);
  return promise.finally(() => {
    subscription[Symbol.dispose]();
    signal.removeEventListener('abort', abort);
  });
}

function materialOf(certificate: WorkloadCertificate): ServerTlsMaterial {
  const { certificateChainPem, privateKeyPem, rootsPem } = certificate;
  return { certificateChainPem, privateKeyPem, clientRootsPem: rootsPem };
}
