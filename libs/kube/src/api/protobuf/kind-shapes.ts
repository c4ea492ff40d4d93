/**
 * What is read of Kubernetes' own kinds. Names and numbers are those of Kubernetes 1.36 (`generated.proto` of core/v1,
 * discovery/v1 and meta/v1); a number keeps its meaning for ever. A field that a reader of `resources/` begins to use has to
 * be added here; `both-forms.cluster.test.ts` compares both forms.
 */
import {
  count,
  countOrText,
  flag,
  message,
  messages,
  type MessageShape,
  shape,
  text,
  textMap,
  texts,
  time,
} from './message-shape.ts';

const owner = shape({ 1: text('kind'), 3: text('name'), 6: flag('controller') });

const objectMeta = shape({
  1: text('name'),
  2: text('generateName'),
  3: text('namespace'),
  5: text('uid'),
  6: text('resourceVersion'),
  7: count('generation'),
  8: time('creationTimestamp'),
  9: time('deletionTimestamp'),
  11: textMap('labels'),
  12: textMap('annotations'),
  13: messages('ownerReferences', owner),
});
const metadata = message('metadata', objectMeta);

const condition = shape({
  1: text('type'),
  2: text('status'),
  3: count('observedGeneration'),
  4: time('lastTransitionTime'),
  5: text('reason'),
  6: text('message'),
});

const containerPort = shape({ 1: text('name'), 3: count('containerPort'), 4: text('protocol') });
const container = shape({ 1: text('name'), 6: messages('ports', containerPort), 24: text('restartPolicy') });
const podSpec = shape({
  2: messages('containers', container),
  8: text('serviceAccountName'),
  10: text('nodeName'),
  11: flag('hostNetwork'),
  20: messages('initContainers', container),
});
const podStatus = shape({
  1: text('phase'),
  2: messages('conditions', shape({ 1: text('type'), 2: text('status') })),
  6: text('podIP'),
  12: messages('podIPs', shape({ 1: text('ip') })),
});

const servicePort = shape({
  1: text('name'),
  2: text('protocol'),
  3: count('port'),
  4: countOrText('targetPort'),
  6: text('appProtocol'),
});
const serviceSpec = shape({
  1: messages('ports', servicePort),
  2: textMap('selector'),
  3: text('clusterIP'),
  4: text('type'),
  13: flag('publishNotReadyAddresses'),
  18: texts('clusterIPs'),
  19: texts('ipFamilies'),
  22: text('internalTrafficPolicy'),
  23: text('trafficDistribution'),
});

const nodeAddress = shape({ 1: text('type'), 2: text('address') });

const target = shape({ 1: text('kind'), 2: text('namespace'), 3: text('name'), 4: text('uid') });
const endpoint = shape({
  1: texts('addresses'),
  2: message('conditions', shape({ 1: flag('ready') })),
  4: message('targetRef', target),
  6: text('nodeName'),
});
const endpointPort = shape({ 1: text('name'), 2: text('protocol'), 3: count('port') });

const statusCause = shape({ 1: text('reason') });

/** Shapes by kind. */
export const kindShapes: ReadonlyMap<string, MessageShape> = new Map([
  ['Pod', shape({ 1: metadata, 2: message('spec', podSpec), 3: message('status', podStatus) })],
  [
    'Service',
    shape({
      1: metadata,
      2: message('spec', serviceSpec),
      3: message('status', shape({ 2: messages('conditions', condition) })),
    }),
  ],
  ['Node', shape({ 1: metadata, 3: message('status', shape({ 5: messages('addresses', nodeAddress) })) })],
  [
    'EndpointSlice',
    shape({
      1: metadata,
      2: messages('endpoints', endpoint),
      3: messages('ports', endpointPort),
      4: text('addressType'),
    }),
  ],
  ['PartialObjectMetadata', shape({ 1: metadata })],
  [
    'Status',
    shape({
      3: text('message'),
      4: text('reason'),
      5: message('details', shape({ 4: messages('causes', statusCause) })),
      6: count('code'),
    }),
  ],
]);
