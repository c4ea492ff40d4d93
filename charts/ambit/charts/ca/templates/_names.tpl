{{- /* Names and labels of this chart; every chart has its own, so that each can be used alone. */}}
{{- define "ca.selector" -}}
app.kubernetes.io/name: ambit-ca
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "ca.labels" -}}
{{ include "ca.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: ca
app.kubernetes.io/part-of: ambit
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- define "ca.image" -}}
{{- .Values.image | default (printf "%s/ca:%s" .Values.global.hub (.Values.global.tag | default .Chart.AppVersion)) -}}
{{- end }}
{{- define "ca.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
{{- define "ca.bus" -}}
{{- .Values.global.bus.address | default (ternary (printf "nats://ambit-nats.%s.svc:4222" .Release.Namespace) "" .Values.global.bus.install) -}}
{{- end }}
{{- /* Names that the control plane's own certificate carries, by which node proxies and the API server call it. */}}
{{- define "ca.servingNames" -}}
{{- $ns := .Release.Namespace -}}
{{- $names := list -}}
{{- range list "ambit-control-plane" "istiod" -}}
{{- $names = append $names (printf "%s.%s.svc" . $ns) -}}
{{- $names = append $names (printf "%s.%s.svc.%s" . $ns $.Values.global.clusterDomain) -}}
{{- end -}}
{{- printf "%s/ambit-control-plane=%s" $ns (join "+" $names) -}}
{{- end }}
