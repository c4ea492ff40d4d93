{{- /* Names and labels of this chart; every chart has its own, so that each can be used alone. */}}
{{- define "control-plane.selector" -}}
app.kubernetes.io/name: ambit-control-plane
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "control-plane.labels" -}}
{{ include "control-plane.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: control-plane
app.kubernetes.io/part-of: ambit
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- define "control-plane.image" -}}
{{- .Values.image | default (printf "%s/control-plane:%s" .Values.global.hub (.Values.global.tag | default .Chart.AppVersion)) -}}
{{- end }}
{{- define "control-plane.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
{{- define "control-plane.bus" -}}
{{- .Values.global.bus.address | default (ternary (printf "nats://ambit-nats.%s.svc:4222" .Release.Namespace) "" .Values.global.bus.install) -}}
{{- end }}
