import { ErrorCode, Http2Receiver, requestProblem, responseProblem } from '@ambit/http';
import type { HeaderList } from '@ambit/http';

import type { TunnelConnection } from './tunnel-connection.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** The receiving half of a connection: tunnels are asked for, answered, carry bytes and end. */
export class TunnelReceiver extends Http2Receiver<TunnelStream, TunnelConnection> {
  constructor(connection: TunnelConnection) {
    const { settings, isServer } = connection;
    const limits = {
      maxFrameBytes: settings.maxFrameBytes,
      maxHeaderListBytes: isServer ? settings.serverMaxHeaderListBytes : settings.clientMaxHeaderListBytes,
      maxFields: Number.POSITIVE_INFINITY,
      maxStreams: settings.serverMaxStreams,
      abuse: settings.abuse,
    };
    super(connection, limits, 0);
  }

  override onData(_streamId: number, buffer: Uint8Array, offset: number, length: number): void {
    const stream = this.current;
    if (stream !== undefined && stream.canReceive) stream.receive(buffer, offset, length);
    else this.connection.releaseConnection(length);
  }

  protected override release(stream: TunnelStream | undefined, bytes: number): void {
    if (stream === undefined) this.connection.releaseConnection(bytes);
    else this.connection.release(stream, bytes);
  }

  protected override acceptStream(
    streamId: number,
    list: HeaderList,
    isTooLong: boolean,
    endStream: boolean,
  ): string | undefined {
    const problem = isTooLong ? undefined : requestProblem(list);
    if (problem !== undefined) return problem;
    const { connection } = this;
    const stream = connection.addStream(streamId);
    if (endStream) {
      connection.advance(stream, 'receivedEnd');
      stream.isRemoteEnded = true;
    }
    if (isTooLong) connection.respond(stream, 431, [], true);
    else connection.owner.onRequest(stream, list);
    return undefined;
  }

  protected override takeResponse(stream: TunnelStream, list: HeaderList, endStream: boolean): void {
    const problem = responseProblem(list);
    if (problem !== undefined) return this.fail(stream.id, ErrorCode.protocolError, problem);
    const isInterim = list.status?.charCodeAt(0) === 49;
    if (isInterim) {
      this.note('ignoredFrame');
      if (endStream) this.fail(stream.id, ErrorCode.protocolError, 'informational response as the end');
      return;
    }
    stream.isAnswered = true;
    stream.user?.onHead(list);
    if (endStream && stream.canReceive) this.endRemote(stream);
  }

  /** Trailers mean nothing to a tunnel but its end. */
  protected override endRemote(stream: TunnelStream): void {
    stream.isRemoteEnded = true;
    this.connection.advance(stream, 'receivedEnd');
    stream.user?.onEnd();
  }
}
