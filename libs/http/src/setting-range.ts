import { ErrorCode, maxInt31, SettingId } from './frame-type.ts';
import { Http2Error } from './http2-error.ts';

/**
 * Checks the value of a received setting against its legal range; unknown settings pass.
 * `fromClient` is true when a client sent it. @throws Http2Error (connection).
 * Spec: RFC 9113 section 6.5.2, RFC 8441 section 3.
 */
export function checkSetting(id: number, value: number, fromClient: boolean): void {
  switch (id) {
    case SettingId.enablePush:
      if (value > (fromClient ? 1 : 0)) throw wrong(ErrorCode.protocolError, id, value);
      return;
    case SettingId.initialWindowSize:
      if (value > maxInt31) throw wrong(ErrorCode.flowControlError, id, value);
      return;
    case SettingId.maxFrameSize:
      if (value < 16_384 || value > 16_777_215) throw wrong(ErrorCode.protocolError, id, value);
      return;
    case SettingId.enableConnectProtocol:
      if (value > 1) throw wrong(ErrorCode.protocolError, id, value);
      return;
    default:
  }
}

function wrong(code: number, id: number, value: number): Http2Error {
  return new Http2Error(code, `setting ${id} with value ${value}`);
}
