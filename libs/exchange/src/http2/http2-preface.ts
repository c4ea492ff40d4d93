import { SettingId } from '@ambit/http';

import type { Http2Settings } from '../connection-settings.ts';
import type { ExchangeFrames } from './exchange-frames.ts';

/** What each end says first. Spec: RFC 9113 section 3.4. */
export function writePreface(frames: ExchangeFrames, settings: Http2Settings, isServer: boolean): void {
  const common = [
    [SettingId.initialWindowSize, settings.streamWindowBytes],
    [SettingId.maxFrameSize, settings.maxFrameBytes],
    [SettingId.maxHeaderListSize, settings.maxHeaderListBytes],
  ] as const;
  if (!isServer) {
    frames.preface();
    frames.settings([[SettingId.enablePush, 0], ...common]);
    return;
  }
  const connect = settings.acceptsExtendedConnect ? ([[SettingId.enableConnectProtocol, 1]] as const) : [];
  frames.settings([[SettingId.maxConcurrentStreams, settings.maxStreams], ...common, ...connect]);
}
