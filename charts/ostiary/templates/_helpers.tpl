{{- define "ostiary.labels" -}}
app.kubernetes.io/name: ostiary
app.kubernetes.io/component: operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "ostiary.selector" -}}
app.kubernetes.io/name: ostiary
app.kubernetes.io/component: operator
{{- end }}

{{- /* (dict "image" .Values.x.image "chart" .Chart) */ -}}
{{- define "ostiary.image" -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .chart.AppVersion) }}
{{- with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "ostiary.subject" -}}
system:serviceaccount:{{ .Release.Namespace }}:ostiary-operator
{{- end }}

{{- /* One namespace's grants as a list in CEL.  The schema of the values keeps quotes out. */ -}}
{{- define "ostiary.grants" -}}
{{- $all := list }}
{{- range .serviceAccounts }}{{ $all = append $all (printf "'serviceAccount/%s'" .) }}{{ end }}
{{- if .kubernetesToken }}{{ $all = append $all "'kubernetesToken'" }}{{ end }}
{{- if .cloudMetadata }}{{ $all = append $all "'cloudMetadata'" }}{{ end }}
{{- printf "[%s]" (join ", " $all) }}
{{- end }}
