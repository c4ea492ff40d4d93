/** The stream a {@link DeltaClient} talks over: gRPC in production, a pair of functions in tests. */
import { type GrpcClient, type GrpcStatus, toGrpcError } from '@ambit/grpc';
import { deltaMethod } from './delta-method.ts';
import { ACCEPT_ENCODING } from './served-stream.ts';

/**
 * Why a stream ended.
 * - `complete`: the server ended it cleanly.
 * - `reconnect`: an ordinary disconnect, such as the server's maximum connection age.
 * - `connection_error`: no stream came to be.
 * - `error`: the server refused or failed.
 */
export type TerminationKind = 'complete' | 'reconnect' | 'connection_error' | 'error';

export interface Termination {
  readonly kind: TerminationKind;
  readonly message: string;
}

/** One open stream. */
export interface DeltaStream {
  /** Sends one encoded request. Requests are small and few; the transport buffers them. */
  send(request: Uint8Array): void;
  /** Responses in order. The next one is not read before this one is asked for. Ends with the stream; never throws. */
  readonly responses: AsyncIterable<Uint8Array>;
  /** Known once `responses` has ended. */
  termination(): Termination;
  close(): void;
}

/** Opens one stream; throws when that cannot even be tried (token or root file missing). */
export type DeltaConnector = (signal: AbortSignal) => DeltaStream | Promise<DeltaStream>;

/** Codes that mean "the connection went away", not "the server says no". Istio: ztunnel's xDS client. */
const DISCONNECTS: ReadonlySet<GrpcStatus> = new Set(['UNKNOWN', 'CANCELLED', 'DEADLINE_EXCEEDED']);

/** Streams over a channel made per attempt, so that each reads the trust roots afresh and none inherits a back-off. */
export function grpcConnector(openChannel: () => GrpcClient): DeltaConnector {
  return (signal) => {
    const channel = openChannel();
    try {
      const call = channel.bidi(deltaMethod(), { signal, headers: { [ACCEPT_ENCODING]: 'gzip' } });
      let termination: Termination = { kind: 'complete', message: 'the server ended the stream' };
      let heard = false;
      const responses = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
        try {
          for await (const message of call) {
            heard = true;
            yield message;
          }
        } catch (cause) {
          const error = toGrpcError(cause);
          termination = { kind: classify(error.status, heard), message: error.message };
        } finally {
          channel.close();
        }
      };
      return {
        send: (request) => void call.write(request),
        responses: responses(),
        termination: () => termination,
        close: () => {
          call.cancel();
          channel.close();
        },
      };
    } catch (cause) {
      channel.close();
      throw cause;
    }
  };
}

function classify(status: GrpcStatus, heard: boolean): TerminationKind {
  if (DISCONNECTS.has(status)) return 'reconnect';
  // UNAVAILABLE says both "cannot connect" and "the transport closed under the stream".
  if (status === 'UNAVAILABLE') return heard ? 'reconnect' : 'connection_error';
  return 'error';
}
