import { ErrorCode, type HeaderList, Http2Receiver, SettingId } from '@ambit/http';

import type { Http2Connection } from './http2-connection.ts';
import type { Http2Stream } from './http2-stream.ts';
import { trailersOf } from './received-list.ts';

/** Streams over the limit that a client may open before it has acknowledged our SETTINGS. */
const maxEarlyRefusals = 1000;

/** The receiving half of a connection: messages with heads, bodies of an announced length, and trailers. */
export class ExchangeReceiver extends Http2Receiver<Http2Stream, Http2Connection> {
  constructor(connection: Http2Connection) {
    super(connection, connection.settings, maxEarlyRefusals);
  }

  override onData(streamId: number, buffer: Uint8Array, offset: number, length: number): void {
    const stream = this.current;
    if (stream === undefined || !stream.canReceive) return this.connection.credit.releaseConnection(length);
    if (stream.expectedBytes >= 0) {
      if (length > stream.expectedBytes) {
        this.connection.credit.releaseConnection(length);
        return this.fail(streamId, ErrorCode.protocolError, 'more DATA than content-length says');
      }
      stream.expectedBytes -= length;
    }
    this.connection.receiveBody(stream, buffer, offset, length);
  }

  override onSetting(id: number, value: number): void {
    if (id === SettingId.enableConnectProtocol) this.connection.peerTakesExtendedConnect = value === 1;
    else super.onSetting(id, value);
  }

  protected override release(stream: Http2Stream | undefined, bytes: number): void {
    if (stream === undefined) this.connection.credit.releaseConnection(bytes);
    else this.connection.credit.release(stream, bytes);
  }

  protected override acceptStream(
    streamId: number,
    list: HeaderList,
    isTooLong: boolean,
    endStream: boolean,
  ): string | undefined {
    return this.connection.acceptStream(streamId, list, isTooLong, endStream);
  }

  protected override takeResponse(stream: Http2Stream, list: HeaderList, endStream: boolean): void {
    const isInterim = list.status?.charCodeAt(0) === 0x31;
    if (isInterim) this.note('ignoredFrame');
    else stream.isAnswered = true;
    if (isInterim && endStream)
      return this.fail(stream.id, ErrorCode.protocolError, 'informational response as the end');
    if (stream.user?.onHead(list, endStream) === false) {
      return this.fail(stream.id, ErrorCode.protocolError, 'malformed response');
    }
    if (endStream && stream.canReceive) this.endRemote(stream, undefined);
  }

  protected override endRemote(stream: Http2Stream, trailers: HeaderList | undefined): void {
    if (stream.expectedBytes > 0) {
      return this.fail(stream.id, ErrorCode.protocolError, 'less DATA than content-length says');
    }
    this.connection.receiveEnd(stream, trailers === undefined ? undefined : trailersOf(trailers));
  }
}
