/** Part of group 6: floods of HTTP/2 frames from a peer with a good certificate. */
import { attack } from '../observe/attack.ts';
import type { Trials } from './trials.ts';

interface FloodFindings {
  readonly framesSent: number;
  readonly isClosed: boolean;
  readonly resets: number;
  readonly ms: number;
  readonly goAway?: string;
  readonly error?: string;
}

const FLOODS = [
  { kind: 'rapid-reset', text: 'streams asked for and taken back at once (rapid reset)' },
  { kind: 'made-you-reset', text: 'streams that the server is made to reset (MadeYouReset)' },
  { kind: 'settings', text: 'SETTINGS without end' },
  { kind: 'ping', text: 'PINGs without end' },
  { kind: 'continuation', text: 'a header block that never ends (CONTINUATION)' },
  { kind: 'empty-data', text: 'DATA frames without data' },
  { kind: 'oversize-headers', text: 'header lists above the limit' },
  { kind: 'window-overflow', text: 'more credit than a window holds' },
  { kind: 'unknown-frames', text: 'frames of unknown types without end' },
  { kind: 'giant-frame', text: 'a frame larger than allowed' },
] as const;
const MAX_FRAMES = 20_000;

export async function proveFloods({ context: { lab }, attacker, victim, admitted, prove }: Trials): Promise<void> {
  for (const { kind, text } of FLOODS) {
    await prove(`the flood ends the flooder's connection only: ${text}`, async () => {
      const order = {
        host: victim.address,
        port: 15_008,
        credentials: admitted,
        authority: `${victim.address}:8080`,
        kind,
        maxFrames: MAX_FRAMES,
      };
      const { framesSent, isClosed, resets, ms, goAway, error } = await attack<FloodFindings>(
        lab,
        attacker,
        'frame-flood.ts',
        order,
      );
      const isRefused = (isClosed || goAway !== undefined) && framesSent <= MAX_FRAMES;
      return {
        observed: `${goAway ?? error ?? 'no word'}${isClosed ? ', connection closed' : ', connection open'} after ${ms} ms, ${framesSent} attack frames written, ${resets} streams reset`,
        isRefused,
      };
    });
  }
}
