{{- /* Names and labels of this chart; every chart has its own, so that each can be used alone. */}}
{{- define "ztunnel.selector" -}}
app.kubernetes.io/name: ztunnel
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "ztunnel.labels" -}}
{{ include "ztunnel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: ztunnel
app.kubernetes.io/part-of: ambit
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- define "ztunnel.image" -}}
{{- .Values.image | default (printf "%s/ztunnel:%s" .Values.global.hub (.Values.global.tag | default .Chart.AppVersion)) -}}
{{- end }}
{{- define "ztunnel.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
{{- define "ztunnel.bus" -}}
{{- .Values.global.bus.address | default (ternary (printf "nats://ambit-nats.%s.svc:4222" .Release.Namespace) "" .Values.global.bus.install) -}}
{{- end }}
