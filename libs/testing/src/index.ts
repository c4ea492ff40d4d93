export { ChannelProbe } from './channel-probe.ts';
export { type TestCa, type TestCertificate, type TestLeafOptions, makeTestCa } from './certificates.ts';
export { eventually } from './eventually.ts';
export { assertGolden } from './golden.ts';
export { failuresOfH2spec, h2specSkipReason } from './h2spec.ts';
export { freePort, freePorts } from './free-port.ts';
export { listenOnLoopback } from './listen-on-loopback.ts';
export { LoopRig } from './loop-rig.ts';
export { type LinkEnd, Netns, NetnsSet, netnsSkipReason } from './netns.ts';
export { NatsServer, natsSkipReason } from './nats-server.ts';
export { makeRevocationList } from './revocation-list.ts';
export { seededRandom } from './seeded-random.ts';
export { assertSettingsPage } from './settings-page.ts';
export { TcpRelay } from './tcp-relay.ts';
export {
  behaviourFolder,
  behaviourNamespace,
  behaviourTables,
  type BehaviourEntry,
  type BehaviourRequest,
  type BehaviourTable,
  derivedFile,
  hostOfEntry,
  manifestsOf,
  requestsOf,
  substitute,
  substituteIn,
} from './behaviour-table.ts';
export { TokenMint, type TokenText } from './token-mint.ts';
