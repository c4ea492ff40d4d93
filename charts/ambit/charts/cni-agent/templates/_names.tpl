{{- /* Names and labels of this chart; every chart has its own, so that each can be used alone. */}}
{{- define "cni-agent.selector" -}}
app.kubernetes.io/name: ambit-cni-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "cni-agent.labels" -}}
{{ include "cni-agent.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: cni-agent
app.kubernetes.io/part-of: ambit
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- define "cni-agent.image" -}}
{{- .Values.image | default (printf "%s/cni-agent:%s" .Values.global.hub (.Values.global.tag | default .Chart.AppVersion)) -}}
{{- end }}
{{- define "cni-agent.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
{{- define "cni-agent.bus" -}}
{{- .Values.global.bus.address | default (ternary (printf "nats://ambit-nats.%s.svc:4222" .Release.Namespace) "" .Values.global.bus.install) -}}
{{- end }}
