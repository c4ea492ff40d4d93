import { SettingId } from '@ambit/http';

import type { HboneSettings } from './hbone-settings.ts';
import type { TunnelFrames } from './tunnel-frames.ts';

/** What each end says first. Spec: data-plane 1.2, RFC 9113 section 3.4. */
export function writePreface(
  frames: TunnelFrames,
  settings: HboneSettings,
  initialWindowBytes: number,
  isServer: boolean,
): void {
  if (isServer) {
    frames.settings([
      [SettingId.initialWindowSize, initialWindowBytes],
      [SettingId.maxFrameSize, settings.maxFrameBytes],
      [SettingId.maxConcurrentStreams, settings.serverMaxStreams],
      [SettingId.maxHeaderListSize, settings.serverMaxHeaderListBytes],
    ]);
    return;
  }
  frames.preface();
  frames.settings([
    [SettingId.enablePush, 0],
    [SettingId.initialWindowSize, initialWindowBytes],
    [SettingId.maxFrameSize, settings.maxFrameBytes],
    [SettingId.maxHeaderListSize, settings.clientMaxHeaderListBytes],
  ]);
}
